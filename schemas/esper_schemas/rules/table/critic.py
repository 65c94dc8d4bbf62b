"""Rules about the critic."""

from esper_schemas.rules.rule import Rule, Sign
from esper_schemas.rules.signs import (
    LARGE_UPDATES,
    LARGE_VALUE_LOSS,
    NEAR_BEST,
    NO_GRADIENT,
    NO_SIGNAL,
    NO_STEPS,
    NO_VALUE_GRADIENT,
    REWARD_NOT_FINITE,
)

CRITIC_RULES: tuple[Rule, ...] = (
    Rule(
        id="value_loss_explosion",
        severity="critical",
        anomaly="value_explosion",
        title="The value loss explodes: rewards are on another scale than the critic expects",
        signs=LARGE_VALUE_LOSS,
        unless=(REWARD_NOT_FINITE,),
        context=("value_loss_growth", "value_error", "gradient_growth", "flat_values", "unexplained_returns"),
        advice=(
            "Scale rewards by a running standard deviation of the discounted return, or clip them.",
            "Check what changed in the environment at that update.",
            "Lower the value coefficient, or give the critic a network of its own.",
        ),
    ),
    Rule(
        id="critic_not_learning",
        severity="warning",
        confidence="moderate",
        anomaly="low_explained_variance",
        escalation=3,
        title="The critic predicts returns worse than a constant would",
        signs=(Sign("unexplained_returns", 6, critical=True),),
        unless=(Sign("flat_returns", 3), Sign("returns_hardly_vary"), *LARGE_UPDATES, *LARGE_VALUE_LOSS),
        not_while=(NEAR_BEST,),
        context=("value_loss_growth", "flat_values"),
        advice=(
            "Check the value coefficient, and that the critic's parameters are trained.",
            "Raise the critic's learning rate or its number of epochs; disable value clipping.",
            "Check that the observation contains what the return depends on, such as the time left.",
        ),
    ),
    Rule(
        id="critic_untrained",
        severity="warning",
        confidence="certain",
        title="The critic receives no gradient: its values do not follow the returns",
        signs=(NO_VALUE_GRADIENT,),
        unless=(NO_GRADIENT, NO_STEPS),
        context=("unexplained_returns", "flat_values"),
        advice=(
            "Check that the value coefficient is not 0.",
            "Check that the value loss depends on the critic: look for a detach or frozen layers.",
        ),
    ),
    Rule(
        id="critic_idle",
        severity="warning",
        confidence="moderate",
        escalation=3,
        title="The critic has never explained the returns: advantages are as noisy as without it",
        signs=(Sign("never_explained", 60),),
        unless=(*NO_SIGNAL, NO_VALUE_GRADIENT),
        context=("flat_values", "unexplained_returns", "value_loss_growth"),
        advice=(
            "Check that the critic's parameters are trained and that the value coefficient is not 0.",
            "Raise the critic's learning rate or its number of epochs.",
            "Check that the observation contains what the return depends on, such as the time left.",
        ),
    ),
    Rule(
        id="value_collapse",
        severity="warning",
        confidence="moderate",
        title="The critic predicts nearly the same value for every state, while returns differ",
        signs=(Sign("flat_values", 10),),
        not_while=(NEAR_BEST,),
        unless=(*LARGE_VALUE_LOSS, *LARGE_UPDATES, Sign("flat_returns", 3)),
        context=("unexplained_returns", "value_loss_growth"),
        advice=(
            "Check that the critic's parameters are trained, and that the policy loss does not dominate.",
            "Normalise returns, so that the critic has to predict numbers near 1.",
            "Look for dead features in the trunk that policy and critic share.",
        ),
    ),
)
