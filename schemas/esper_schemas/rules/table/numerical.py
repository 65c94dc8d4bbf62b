"""Rules about values that are not finite, and the optimiser steps that they cost."""

from esper_schemas.rules.rule import Rule, Sign
from esper_schemas.rules.signs import GRADIENT_FAULTS, LOSS_NOT_FINITE, REWARD_NOT_FINITE

NUMERICAL_RULES: tuple[Rule, ...] = (
    Rule(
        id="rewards_not_finite",
        severity="critical",
        confidence="certain",
        anomaly="numerical_instability",
        escalation=10,
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
        confidence="certain",
        anomaly="numerical_instability",
        escalation=10,
        title="The loss is NaN or infinite",
        signs=(LOSS_NOT_FINITE,),
        unless=(REWARD_NOT_FINITE,),
        context=("gradient_growth", "large_kl", "gradient_not_finite", "nan_gradient", "skipped_steps"),
        lasting=True,
        advice=(
            "Look for log(0) and divisions by 0 in log-probabilities, masks and normalisation.",
            "Lower the learning rate; resume from an earlier checkpoint, as the weights may be corrupted.",
            "Train in float32 instead of half precision.",
        ),
    ),
    Rule(
        id="kl_not_finite",
        severity="critical",
        confidence="certain",
        anomaly="numerical_instability",
        escalation=10,
        title="The KL divergence is NaN or infinite: a choice that was made has become impossible",
        signs=(Sign("kl_not_finite"),),
        unless=(REWARD_NOT_FINITE, LOSS_NOT_FINITE),
        context=("large_kl", "huge_kl", "improbable_choice", "gradient_not_finite", "skipped_steps"),
        lasting=True,
        advice=(
            "Check that masks are the same when an action is chosen and when it is trained on.",
            "Look at the smallest log-probability; clamp logits, or lower the learning rate.",
        ),
    ),
    Rule(
        id="gradient_not_finite",
        severity="critical",
        confidence="certain",
        anomaly="numerical_instability",
        escalation=10,
        title="The gradient has NaN or infinite entries",
        signs=GRADIENT_FAULTS,
        unless=(REWARD_NOT_FINITE, LOSS_NOT_FINITE),
        context=("gradient_growth", "value_loss_growth", "large_kl", "skipped_steps"),
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
        confidence="certain",
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
)
