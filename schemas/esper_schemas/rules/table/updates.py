"""Rules about how far updates move the policy, and about the gradients that move it."""

from esper_schemas.rules.rule import Rule, Sign
from esper_schemas.rules.signs import (
    LARGE_UPDATES,
    LARGE_VALUE_LOSS,
    LOW_ENTROPY,
    NO_GRADIENT,
    NO_SIGNAL,
    NO_STEPS,
)

UPDATE_RULES: tuple[Rule, ...] = (
    Rule(
        id="large_updates",
        severity="critical",
        title="Updates move the policy too far: the learning rate is too high for this data",
        signs=LARGE_UPDATES,
        context=(
            "large_clip",
            "large_kl",
            "huge_kl",
            "kl_growth",
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
        signs=(Sign("gradient_growth", 3, critical=True),),
        unless=LARGE_VALUE_LOSS,
        context=("value_loss_growth", "large_kl", "ratio_explosion"),
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
        unless=(NO_GRADIENT, NO_STEPS, *NO_SIGNAL, *LOW_ENTROPY),
        advice=(
            "Check the learning rate: a schedule may have reached 0.",
            "Check that the optimiser updates the parameters of the policy that acts.",
            "Look for saturated gates and activations, which gradients no longer change.",
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
)
