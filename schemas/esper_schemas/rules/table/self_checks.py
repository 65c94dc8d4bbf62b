"""Rules about what a trainer verifies of its own update: bugs in a program rather than unlucky settings."""

from esper_schemas.rules.rule import Rule, Sign

STALE_LOG_PROBS = (Sign("ratio_error", critical=True), Sign("initial_kl", critical=True))
REWARDS_ALTERED = Sign("reward_error")
ADVANTAGES_WRONG = Sign("gae_error")

SELF_CHECK_RULES: tuple[Rule, ...] = (
    Rule(
        id="stale_log_probs",
        confidence="certain",
        severity="critical",
        title="The first ratios of an update are not 1: the old log-probabilities are not those of the "
        "policy that acted",
        signs=STALE_LOG_PROBS,
        context=("ratio_error", "initial_kl"),
        advice=(
            "Compare how log-probabilities are computed in the rollout and in the update: masks, transformed "
            "or clipped actions, normalisation of observations, dropout, training mode.",
            "With a recurrent policy, check that the update begins with the state that the rollout had, and "
            "resets it at the same steps.",
            "Check that a minibatch takes log-probabilities and actions from the same steps.",
        ),
    ),
    Rule(
        id="inexact_log_probs",
        confidence="certain",
        severity="warning",
        title="The first ratios of an update differ from 1 by more than rounding",
        signs=(Sign("ratio_error"), Sign("initial_kl")),
        unless=STALE_LOG_PROBS,
        excludes=("low_precision",),
        context=("initial_kl",),
        advice=(
            "If products are computed in bfloat16, float16 or TensorFloat-32, name that in the settings of "
            "the run (precision), and this is expected.",
            "Otherwise check the recurrent state, the action masks, and the normalisation of observations.",
        ),
    ),
    Rule(
        id="log_probs_recomputed",
        severity="warning",
        title="The minibatches do not see the policy move: ratios are always 1, so that nothing is clipped",
        signs=(Sign("unseen_kl", 2),),
        only_with_several="epochs",
        unless=STALE_LOG_PROBS,
        context=("large_final_kl", "huge_final_kl", "low_entropy"),
        advice=(
            "Take the old log-probabilities from the rollout; do not compute them again in the update.",
            "Check that they are detached before the first step, and not overwritten between epochs.",
        ),
    ),
    Rule(
        id="rewards_altered",
        confidence="certain",
        severity="critical",
        title="The learner's rewards are not those that the environment returned, or belong to other steps",
        signs=(REWARDS_ALTERED,),
        context=("gae_error",),
        advice=(
            "Look for a shift between actions and rewards where the rollout is stored.",
            "If rewards are scaled or clipped on purpose, compare them after that.",
        ),
    ),
    Rule(
        id="advantages_wrong",
        confidence="certain",
        severity="critical",
        title="The advantages that the loss reads do not follow from the rewards",
        signs=(ADVANTAGES_WRONG,),
        unless=(REWARDS_ALTERED,),
        advice=(
            "Check that minibatches take advantages and actions from the same steps, and that both are "
            "flattened in the same order.",
            "Check the sign of the advantages, and GAE at the end of episodes and of the rollout.",
        ),
    ),
    Rule(
        id="advantage_sign",
        confidence="moderate",
        severity="warning",
        title="Updates make actions with a large advantage less likely: the sign of the policy loss may be "
        "reversed",
        signs=(Sign("reversed_updates"),),
        unless=(ADVANTAGES_WRONG, REWARDS_ALTERED, *STALE_LOG_PROBS),
        advice=(
            "Check the sign of the policy loss: the optimiser must increase ratio × advantage.",
            "Check that the gradient reaches the policy unchanged, and that the policy that is trained is "
            "the one that acts.",
        ),
    ),
)
