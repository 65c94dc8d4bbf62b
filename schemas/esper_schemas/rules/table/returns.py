"""Rules about the returns."""

from esper_schemas.rules.rule import Rule, Sign
from esper_schemas.rules.signs import NEAR_BEST, NO_SIGNAL, REWARD_NOT_FINITE

RETURN_RULES: tuple[Rule, ...] = (
    Rule(
        id="no_reward_signal",
        severity="warning",
        title="There is nothing to learn from: the returns do not vary",
        signs=NO_SIGNAL,
        not_while=(NEAR_BEST,),
        context=("unexplained_returns", "flat_values", "lost_return", "low_entropy", "fallen_entropy"),
        advice=(
            "Check that the reward reaches the learner: print the rewards of one episode.",
            "Normalised advantages are amplified noise here; stop rather than train on them.",
            "If rewards are rare, shape them or explore more.",
        ),
    ),
    Rule(
        id="return_collapse",
        severity="notice",
        confidence="moderate",
        anomaly="performance_degradation",
        escalation=3,
        title="The return has fallen far below its best",
        signs=(Sign("lost_return", 3),),
        unless=(REWARD_NOT_FINITE, Sign("flat_returns", 3)),
        context=("large_kl", "huge_kl", "ratio_explosion", "low_entropy", "value_loss_growth"),
        advice=(
            "Many runs recover; if this one does not, resume from the best checkpoint with a smaller step.",
            "If there are no other symptoms, check whether the environment changed.",
            "Anneal the learning rate; late updates with a full step often undo what was learnt.",
        ),
    ),
)
