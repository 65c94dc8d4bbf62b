"""What can be wrong with a training, as data: rules with the remedies that practitioners try first.

The advice follows Schulman's "Nuts and bolts of deep RL experimentation", Andrychowicz et al. 2021 ("What
matters in on-policy reinforcement learning"), Huang et al. 2022 ("The 37 implementation details of PPO") and
the documentation of Spinning Up and Stable-Baselines3.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Sign:
    """A symptom that has lasted at least `updates` updates; with `critical`, only critical ones count."""

    symptom: str
    updates: int = 1
    critical: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that can be wrong.

    The rule applies if one of `signs` is present and, unless `together_with` is empty, one of those was
    present at the same time or shortly before. It does not apply if one of `unless` was, which explains
    the signs better, and none of `decisive` was. With `per_head`, the signs are those of one head, and
    other symptoms must be of the same head or of none; with `per_metric`, each metric is judged apart.
    `context` has further symptoms for the chain of evidence. A `lasting` finding remains after its signs
    are over. `only_with_several` names a setting of the run; if it is 1, the rule does not apply.
    """

    id: str
    severity: Literal["warning", "critical"]
    title: str
    advice: tuple[str, ...]
    signs: tuple[Sign, ...]
    together_with: tuple[Sign, ...] = ()
    unless: tuple[Sign, ...] = ()
    decisive: tuple[Sign, ...] = ()
    context: tuple[str, ...] = ()
    per_head: bool = False
    per_metric: bool = False
    lasting: bool = False
    only_with_several: str = ""


REWARD_NOT_FINITE = Sign("reward_not_finite")
LOSS_NOT_FINITE = Sign("loss_not_finite")
GRADIENT_FAULTS = (Sign("nan_gradient"), Sign("inf_gradient"), Sign("gradient_not_finite"))
LARGE_UPDATES = (Sign("large_kl", 2, critical=True), Sign("large_clip", 3, critical=True))
LARGE_VALUE_LOSS = (Sign("large_value_loss", 2, critical=True), Sign("value_loss_growth", 2, critical=True))
EXTREME_RATIOS = (Sign("ratio_explosion", 2), Sign("ratio_collapse", 2))
HEAD_ENTROPY_FALL = Sign("head_entropy_fall")
NO_GRADIENT = Sign("no_gradient", 3, critical=True)
NO_STEPS = Sign("skipped_steps")
OWN_METRIC_CRITICAL = (
    Sign("own_metric_above", 2, critical=True),
    Sign("own_metric_below", 2, critical=True),
)

RULES: tuple[Rule, ...] = (
    Rule(
        id="rewards_not_finite",
        severity="critical",
        title="Rewards are NaN or infinite",
        signs=(REWARD_NOT_FINITE,),
        context=(
            "loss_not_finite",
            "gradient_not_finite",
            "nan_gradient",
            "skipped_steps",
            "not_finite",
        ),
        lasting=True,
        advice=(
            "Find the step that returns them: check rewards and observations where they are computed.",
            "Guard divisions and logarithms in the reward; clip it to a sensible range.",
        ),
    ),
    Rule(
        id="loss_not_finite",
        severity="critical",
        title="The loss is NaN or infinite",
        signs=(LOSS_NOT_FINITE,),
        unless=(REWARD_NOT_FINITE,),
        context=("large_gradient", "large_kl", "gradient_not_finite", "nan_gradient", "skipped_steps"),
        lasting=True,
        advice=(
            "Look for log(0) and divisions by 0 in log-probabilities, masks and normalisation.",
            "Lower the learning rate; resume from an earlier checkpoint, as the weights may be corrupted.",
            "Train in float32 instead of half precision.",
        ),
    ),
    Rule(
        id="gradient_not_finite",
        severity="critical",
        title="The gradient has NaN or infinite entries",
        signs=GRADIENT_FAULTS,
        unless=(REWARD_NOT_FINITE, LOSS_NOT_FINITE),
        context=("large_gradient", "large_value_loss", "large_kl", "skipped_steps"),
        lasting=True,
        advice=(
            "Find the layer: record layer gradients, or run one update under torch.autograd.detect_anomaly.",
            "Look for square roots and logarithms at 0, whose derivatives are infinite.",
            "Lower the learning rate and clip the gradient norm (0.5 to 1).",
        ),
    ),
    Rule(
        id="steps_skipped",
        severity="critical",
        title="Optimiser steps are skipped: the policy learns less than it appears to",
        signs=(Sign("skipped_steps", 2),),
        context=(
            "reward_not_finite",
            "loss_not_finite",
            "nan_gradient",
            "inf_gradient",
            "gradient_not_finite",
            "no_kl",
        ),
        advice=(
            "Fix the values that are not finite first; until then every such update is wasted.",
            "With half precision, let the loss scale settle; if it never does, use bfloat16.",
        ),
    ),
    Rule(
        id="policy_collapse",
        severity="critical",
        title="The policy has collapsed: it hardly explores, although it does not do well",
        signs=(Sign("low_entropy", 2, critical=True),),
        together_with=(
            *LARGE_UPDATES,
            *EXTREME_RATIOS,
            Sign("no_entropy_bonus"),
            Sign("lost_return", 3),
            Sign("below_baseline", 3),
        ),
        context=(
            "large_kl",
            "large_clip",
            "ratio_explosion",
            "no_entropy_bonus",
            "lost_return",
            "low_head_entropy",
        ),
        advice=(
            "Resume from a checkpoint before the collapse; a deterministic policy rarely recovers.",
            "Raise the entropy coefficient (0.01 is a common value), or anneal it more slowly.",
            "Lower the learning rate or the number of epochs if large updates came first.",
        ),
    ),
    Rule(
        id="head_collapse",
        severity="critical",
        title="The {head} head has collapsed to one choice",
        signs=(Sign("low_head_entropy", 2, critical=True),),
        together_with=(*EXTREME_RATIOS, *LARGE_UPDATES, HEAD_ENTROPY_FALL),
        unless=(Sign("low_entropy", 2, critical=True),),
        decisive=(HEAD_ENTROPY_FALL,),
        context=("large_kl", "ratio_explosion", "ratio_collapse", "no_entropy_bonus"),
        per_head=True,
        advice=(
            "Raise this head's weight in the entropy bonus.",
            "Lower the learning rate; one head can move too far while the mean KL looks healthy.",
            "Check whether masks leave the head a choice at all, and how often it is relevant.",
        ),
    ),
    Rule(
        id="large_updates",
        severity="critical",
        title="Updates move the policy too far: the learning rate is too high for this data",
        signs=LARGE_UPDATES,
        context=(
            "large_clip",
            "large_kl",
            "ratio_explosion",
            "early_stop",
            "unexplained_returns",
            "low_entropy",
        ),
        advice=(
            "Lower the learning rate by a factor of 3 to 10, or anneal it to 0 over the run.",
            "Use fewer epochs or larger minibatches; set a target KL of 0.01 to 0.02.",
            "Check that advantages are normalised and gradients are clipped.",
        ),
    ),
    Rule(
        id="ratio_explosion",
        severity="warning",
        title="The {head} head's probability ratios explode",
        signs=(Sign("ratio_explosion", 2, critical=True), Sign("ratio_collapse", 2, critical=True)),
        context=("large_kl", "large_clip", "ratio_collapse", "low_head_entropy", "improbable_choice"),
        per_head=True,
        advice=(
            "Lower the learning rate or the number of epochs; stop at a target KL.",
            "Check that old log-probabilities were recorded under the same masks as the new ones.",
            "Look at the transitions: rare choices with a large advantage move most.",
        ),
    ),
    Rule(
        id="exploding_gradient",
        severity="critical",
        title="Gradients explode; clipping hides this and keeps only their direction",
        signs=(Sign("large_gradient", 3, critical=True),),
        unless=LARGE_VALUE_LOSS,
        context=("large_value_loss", "large_kl", "ratio_explosion"),
        advice=(
            "Find the layer with the largest gradient; look at the scale of its inputs.",
            "Normalise observations; initialise the policy's output layer with a small gain (0.01).",
            "Lower the learning rate, or the value coefficient if the critic is what explodes.",
        ),
    ),
    Rule(
        id="vanishing_gradient",
        severity="critical",
        title="The gradient has vanished: nothing is learnt any more",
        signs=(NO_GRADIENT,),
        context=("flat_advantages", "flat_returns", "head_without_gradient", "no_kl", "low_entropy"),
        advice=(
            "Check that the loss still depends on the parameters: look for a stray detach or frozen layers.",
            "Look for dead activations and saturated gates; check the scale of the observations.",
            "Check that rewards still vary.",
        ),
    ),
    Rule(
        id="head_frozen",
        severity="warning",
        title="The {head} head receives no gradient although it is used",
        signs=(Sign("head_without_gradient", 3, critical=True),),
        unless=(NO_GRADIENT, NO_STEPS, Sign("low_head_entropy", 2)),
        per_head=True,
        advice=(
            "Check that the head's log-probability is part of the loss, and that its parameters are trained.",
            "Check its relevance mask: a head that is masked everywhere learns nothing.",
        ),
    ),
    Rule(
        id="policy_frozen",
        severity="warning",
        title="Updates no longer change the policy",
        signs=(Sign("no_kl", 5),),
        only_with_several="epochs",
        unless=(NO_GRADIENT, NO_STEPS),
        context=("flat_advantages", "flat_returns", "low_entropy"),
        advice=(
            "Check the learning rate: a schedule may have reached 0.",
            "Check that the optimiser updates the parameters of the policy that acts.",
            "Look for saturated gates and activations, which gradients no longer change.",
        ),
    ),
    Rule(
        id="value_loss_explosion",
        severity="critical",
        title="The value loss explodes: rewards are on another scale than the critic expects",
        signs=LARGE_VALUE_LOSS,
        unless=(REWARD_NOT_FINITE,),
        context=(
            "value_loss_growth",
            "large_value_loss",
            "large_gradient",
            "flat_values",
            "unexplained_returns",
        ),
        advice=(
            "Scale rewards by a running standard deviation of the discounted return, or clip them.",
            "Check what changed in the environment at that update.",
            "Lower the value coefficient, or give the critic a network of its own.",
        ),
    ),
    Rule(
        id="critic_not_learning",
        severity="warning",
        title="The critic predicts returns worse than a constant would",
        signs=(Sign("unexplained_returns", 4, critical=True),),
        unless=(Sign("flat_returns", 3), *LARGE_UPDATES, *LARGE_VALUE_LOSS),
        context=("large_value_loss", "value_loss_growth", "flat_values"),
        advice=(
            "Check the value coefficient, and that the critic's parameters are trained.",
            "Raise the critic's learning rate or its number of epochs; disable value clipping.",
            "Check that the observation contains what the return depends on, such as the time left.",
        ),
    ),
    Rule(
        id="value_collapse",
        severity="warning",
        title="The critic predicts nearly the same value for every state, while returns differ",
        signs=(Sign("flat_values", 3),),
        unless=(*LARGE_VALUE_LOSS, *LARGE_UPDATES, Sign("flat_returns", 3)),
        context=("unexplained_returns", "value_loss_growth"),
        advice=(
            "Check that the critic's parameters are trained, and that the policy loss does not dominate.",
            "Normalise returns, so that the critic has to predict numbers near 1.",
            "Look for dead features in the trunk that policy and critic share.",
        ),
    ),
    Rule(
        id="no_reward_signal",
        severity="warning",
        title="There is nothing to learn from: every environment has the same return",
        signs=(Sign("flat_returns", 3), Sign("flat_advantages", 3)),
        context=("unexplained_returns", "flat_values", "lost_return"),
        advice=(
            "Check that the reward reaches the learner: print the rewards of one episode.",
            "Normalised advantages are amplified noise here; stop rather than train on them.",
            "If rewards are rare, shape them or explore more.",
        ),
    ),
    Rule(
        id="return_collapse",
        severity="critical",
        title="The return has fallen far below its best",
        signs=(Sign("lost_return", 3),),
        unless=(REWARD_NOT_FINITE, Sign("flat_returns", 3)),
        context=("large_kl", "ratio_explosion", "low_entropy", "value_loss_growth"),
        advice=(
            "Resume from the best checkpoint, with a lower learning rate or a smaller clip range.",
            "If there are no other symptoms, check whether the environment changed.",
            "Anneal the learning rate; late updates with a full step often undo what was learnt.",
        ),
    ),
    Rule(
        id="early_stop",
        severity="warning",
        title="The target KL stops every update in its first epoch",
        signs=(Sign("early_stop", 5),),
        only_with_several="epochs",
        unless=(*LARGE_UPDATES, NO_STEPS),
        context=("large_kl", "ratio_explosion"),
        advice=(
            "Raise the target KL, if the measured KL is small (below 0.01).",
            "Otherwise lower the learning rate, so that all epochs can be used.",
        ),
    ),
    Rule(
        id="own_metric_critical",
        severity="critical",
        title="{metric} is beyond its critical bound",
        signs=OWN_METRIC_CRITICAL,
        per_metric=True,
        advice=("The run itself defined this bound: see where it calls define().",),
    ),
    Rule(
        id="own_metric_warning",
        severity="warning",
        title="{metric} is beyond its bound",
        signs=(Sign("own_metric_above", 3), Sign("own_metric_below", 3)),
        unless=OWN_METRIC_CRITICAL,
        per_metric=True,
        advice=("The run itself defined this bound: see where it calls define().",),
    ),
)
