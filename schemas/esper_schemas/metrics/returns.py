"""The returns that the critic has to predict."""

from typing import Annotated

from esper_schemas.metrics.metric import Bands, Good, Group, Metric

ReturnMean = Annotated[
    float | None,
    Metric(
        label="Return mean",
        group=Group.RETURNS,
        unit="return",
        meaning="Mean of the value targets (GAE returns) over the rollout.",
        question="What scale does the critic have to predict?",
        advice="If it does not rise, see FINDINGS; compare it with Value mean.",
    ),
]
ReturnStd = Annotated[
    float | None,
    Metric(
        label="Return std",
        group=Group.RETURNS,
        unit="return",
        meaning="Standard deviation of the value targets (GAE returns) over the rollout.",
        question="How much is there to explain?",
        advice="Near 0, nothing distinguishes good choices from bad ones: check the reward.",
        minimum=0.0,
    ),
]
ReturnP10 = Annotated[
    float | None,
    Metric(
        id="TELE-224",
        label="Return p10",
        group=Group.RETURNS,
        unit="return",
        meaning="10th percentile of the value targets, over at most 1,024 steps of the rollout.",
        question="How bad are the bad steps?",
        advice="If it falls while the median rises, some environments are left behind: compare p10 and p90.",
        good=Good.RISING,
    ),
]
ReturnP50 = Annotated[
    float | None,
    Metric(
        id="TELE-225",
        label="Return p50",
        group=Group.RETURNS,
        unit="return",
        meaning="Median of the value targets, over at most 1,024 steps of the rollout.",
        question="How good is a typical step?",
        advice="If it does not rise, see FINDINGS.",
        good=Good.RISING,
    ),
]
ReturnP90 = Annotated[
    float | None,
    Metric(
        id="TELE-226",
        label="Return p90",
        group=Group.RETURNS,
        unit="return",
        meaning="90th percentile of the value targets, over at most 1,024 steps of the rollout.",
        question="How good are the good steps?",
        advice="If only it rises, a few lucky episodes dominate: use more environments.",
        good=Good.RISING,
    ),
]
ReturnSkewness = Annotated[
    float | None,
    Metric(
        id="TELE-228",
        label="Return skew",
        group=Group.RETURNS,
        unit="1",
        meaning="Skewness (third standardised moment) of the value targets; not measured where they are "
        "constant.",
        question="Do a few very good or very bad steps dominate the return?",
        advice="A few episodes dominate: scale the reward, or use more environments.",
        precision=2,
        bands=Bands(
            critical_below=-2.0, warning_below=-1.0, warning_above=1.0, critical_above=2.0, inclusive=True
        ),
    ),
]
