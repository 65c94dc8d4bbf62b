"""Rules about the entropy of the policy and of its heads."""

from esper_schemas.rules.rule import Rule, Sign
from esper_schemas.rules.signs import (
    ENTROPY_FALL,
    EXTREME_RATIOS,
    HEAD_ENTROPY_FALL,
    LARGE_UPDATES,
    LOW_ENTROPY,
    NEAR_BEST,
    NOT_KEPT,
)

EXPLORATION_RULES: tuple[Rule, ...] = (
    Rule(
        id="policy_collapse",
        severity="critical",
        anomaly="entropy_collapse",
        title="The policy has collapsed: it hardly explores, although it does not do well",
        signs=LOW_ENTROPY,
        while_one_of=(Sign("return_not_kept", 10), Sign("constant_return", 8)),
        not_while=(NEAR_BEST,),
        recovers=True,
        context=(
            "large_kl",
            "huge_kl",
            "large_clip",
            "ratio_explosion",
            "no_entropy_bonus",
            "lost_return",
            "constant_return",
            "low_head_entropy",
        ),
        advice=(
            "Resume from a checkpoint before the collapse; a deterministic policy rarely recovers.",
            "Raise the entropy coefficient (0.01 is a common value), or anneal it more slowly.",
            "Lower the learning rate or the number of epochs if large updates came first.",
        ),
    ),
    Rule(
        id="abrupt_collapse",
        severity="warning",
        title="The policy became nearly deterministic within a few updates, faster than by learning",
        signs=LOW_ENTROPY,
        together_with=(ENTROPY_FALL,),
        unless=(*LARGE_UPDATES, Sign("return_not_kept", 10), Sign("constant_return", 8)),
        covered_by=("head_collapse",),
        context=("low_head_entropy", "no_entropy_bonus", "return_near_best", "lost_return"),
        advice=(
            "Compare the logits of one observation before and after the onset: look for a layer or a "
            "temperature that scales them.",
            "Check the sign and the size of the entropy bonus.",
            "Resume from a checkpoint before the onset; a deterministic policy rarely recovers.",
        ),
    ),
    Rule(
        id="low_entropy",
        severity="warning",
        confidence="moderate",
        title="The policy hardly explores; whether it does well is not known",
        signs=LOW_ENTROPY,
        unless=(NEAR_BEST, NOT_KEPT, Sign("constant_return", 8)),
        covered_by=("abrupt_collapse", "head_collapse"),
        context=("large_kl", "huge_kl", "large_clip", "ratio_explosion", "no_entropy_bonus"),
        advice=(
            "Log the mean return of the episodes, over enough of them that it is not mostly noise.",
            "Raise the entropy coefficient (0.01 is a common value), or anneal it more slowly.",
        ),
    ),
    Rule(
        id="policy_converged",
        severity="notice",
        escalation=0,
        title="The policy has converged: it hardly explores, and its return is near its best",
        signs=LOW_ENTROPY,
        while_one_of=(NEAR_BEST,),
        unless=(ENTROPY_FALL,),
        not_after=(Sign("huge_kl", critical=True), Sign("large_kl", critical=True)),
        context=("return_near_best",),
        advice=("Stop here, or raise the entropy coefficient if you expect a better policy.",),
    ),
    Rule(
        id="head_collapse",
        severity="critical",
        anomaly="head_entropy_collapse",
        title="The {head} head has collapsed to one choice",
        signs=(Sign("low_head_entropy", 2, critical=True),),
        together_with=(*EXTREME_RATIOS, *LARGE_UPDATES, HEAD_ENTROPY_FALL),
        unless=LOW_ENTROPY,
        decisive=(HEAD_ENTROPY_FALL,),
        context=("large_kl", "ratio_explosion", "ratio_collapse", "no_entropy_bonus"),
        per_head=True,
        advice=(
            "Raise this head's weight in the entropy bonus.",
            "Lower the learning rate; one head can move too far while the mean KL looks healthy.",
            "Check whether masks leave the head a choice at all, and how often it is relevant.",
        ),
    ),
)
