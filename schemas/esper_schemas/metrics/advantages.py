"""The advantages, which are the learning signal, before normalisation."""

from typing import Annotated

from esper_schemas.metrics.metric import Bands, Group, Metric, Reduction

SMALL_SPREAD = 1e-6
"""A spread of the advantages, in units of return, whose normalisation amplifies rounding errors.

The bounds of TELE-140 are those of normalised advantages, whose spread is 1 by construction.
"""

AdvantageMean = Annotated[
    float | None,
    Metric(
        id="TELE-141",
        label="Adv mean",
        group=Group.ADVANTAGES,
        unit="return",
        meaning="Mean of the advantages before normalisation.",
        question="Is the critic biased?",
        advice="If it stays far from 0, the critic is biased: see Expl.Var and TD mean.",
    ),
]
AdvantageStd = Annotated[
    float | None,
    Metric(
        id="TELE-140",
        label="Adv std",
        group=Group.ADVANTAGES,
        unit="return",
        meaning="Standard deviation of the advantages before normalisation.",
        question="Is there a signal to normalise, or only noise to amplify?",
        minimum=0.0,
        bands=Bands(warning_below=SMALL_SPREAD, inclusive=True),
    ),
]
AdvantageMin = Annotated[
    float | None,
    Metric(
        label="Adv min",
        group=Group.ADVANTAGES,
        unit="return",
        meaning="Smallest advantage before normalisation.",
        question="Is one step punished far beyond the others?",
        advice="A step far from the others dominates the gradient: scale the reward.",
        over_epochs=Reduction.MIN,
        over_ranks=Reduction.MIN,
    ),
]
AdvantageMax = Annotated[
    float | None,
    Metric(
        label="Adv max",
        group=Group.ADVANTAGES,
        unit="return",
        meaning="Largest advantage before normalisation.",
        question="Is one step rewarded far beyond the others?",
        advice="A step far from the others dominates the gradient: scale the reward.",
        over_epochs=Reduction.MAX,
        over_ranks=Reduction.MAX,
    ),
]
AdvantageSkewness = Annotated[
    float | None,
    Metric(
        id="TELE-142",
        label="Adv skew",
        group=Group.ADVANTAGES,
        unit="1",
        meaning="Skewness (third standardised moment) of the advantages; not measured where they are "
        "constant.",
        question="Do a few large advantages of one sign drive the update?",
        advice="A few steps dominate the gradient: scale the reward, or use more environments.",
        precision=2,
        bands=Bands(critical_below=-1.0, warning_below=-0.5, warning_above=1.0, critical_above=2.0),
    ),
]
AdvantageKurtosis = Annotated[
    float | None,
    Metric(
        id="TELE-143",
        label="Adv kurt",
        group=Group.ADVANTAGES,
        unit="1",
        meaning="Excess kurtosis (fourth standardised moment minus 3) of the advantages; not measured "
        "where they are constant.",
        question="Do outliers drive the update?",
        advice="A few steps dominate the gradient: scale the reward, or use more environments.",
        precision=2,
        minimum=-2.0,
        bands=Bands(critical_below=-2.0, warning_below=-1.0, warning_above=3.0, critical_above=6.0),
    ),
]
AdvantagePositiveShare = Annotated[
    float | None,
    Metric(
        id="TELE-144",
        label="Adv +",
        group=Group.ADVANTAGES,
        unit="share",
        meaning="Share of the steps whose advantage before normalisation is greater than 0.",
        question="Are good and bad surprises balanced?",
        advice="If nearly all have one sign, the critic is biased: see Expl.Var and TD mean.",
        precision=2,
        minimum=0.0,
        maximum=1.0,
        bands=Bands(critical_below=0.2, warning_below=0.4, warning_above=0.6, critical_above=0.8),
    ),
]
