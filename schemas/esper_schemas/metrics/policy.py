"""How far the policy as a whole moved, and how much it still explores."""

from typing import Annotated

from esper_schemas.metrics.metric import RATIO_BANDS, Bands, Good, Group, Metric, Reduction, TelemetryLevel

Entropy = Annotated[
    float | None,
    Metric(
        id="TELE-120",
        label="Entropy",
        group=Group.POLICY,
        unit="nats",
        meaning="Sum over the heads of their mean entropy where relevant.",
        question="Does the policy as a whole still explore?",
        advice="Judge it by Entropy/max; if it falls fast, raise the entropy coefficient.",
        minimum=0.0,
        trend_threshold=0.08,
        level=TelemetryLevel.MINIMAL,
    ),
]
EntropyNormalized = Annotated[
    float | None,
    Metric(
        label="Entropy/max",
        group=Group.POLICY,
        unit="share",
        meaning="Mean over the measured heads of entropy divided by the entropy of a uniform choice.",
        question="Is the policy collapsing to one action?",
        minimum=0.0,
        maximum=1.0,
        bands=Bands(critical_below=0.1, warning_below=0.3, inclusive=True),
        trend_threshold=0.08,
        level=TelemetryLevel.MINIMAL,
    ),
]
KLDivergence = Annotated[
    float | None,
    Metric(
        id="TELE-110",
        label="KL",
        group=Group.POLICY,
        unit="nats",
        meaning="Mean of (r - 1) - ln r over relevant steps, against the policy that acted "
        "(Schulman's k3 estimator).",
        question="How far did this update move the policy?",
        precision=4,
        minimum=0.0,
        bands=Bands(warning_above=0.015, critical_above=0.03),
        trend_threshold=0.30,
        level=TelemetryLevel.MINIMAL,
    ),
]
ClipFraction = Annotated[
    float | None,
    Metric(
        id="TELE-130",
        label="Clip",
        group=Group.POLICY,
        unit="share",
        meaning="Share of relevant head choices whose probability ratio left the clip range.",
        question="How often did clipping limit the update?",
        minimum=0.0,
        maximum=1.0,
        bands=Bands(warning_above=0.25, critical_above=0.30, inclusive=True),
        trend_threshold=0.30,
        level=TelemetryLevel.MINIMAL,
    ),
]
ClipFractionPositive = Annotated[
    float | None,
    Metric(
        id="TELE-135",
        label="Clip+",
        group=Group.POLICY,
        unit="share",
        meaning="Share of relevant head choices whose ratio rose above the clip range.",
        question="Does clipping limit increases of probability?",
        advice="Lower the learning rate; far more than Clip- means that a few large advantages dominate.",
        minimum=0.0,
        maximum=1.0,
        bands=Bands(warning_above=0.3, critical_above=0.5, inclusive=True),
    ),
]
ClipFractionNegative = Annotated[
    float | None,
    Metric(
        id="TELE-136",
        label="Clip-",
        group=Group.POLICY,
        unit="share",
        meaning="Share of relevant head choices whose ratio fell below the clip range.",
        question="Does clipping limit decreases of probability?",
        advice="Lower the learning rate, or use fewer epochs.",
        minimum=0.0,
        maximum=1.0,
        bands=Bands(warning_above=0.15, critical_above=0.30, inclusive=True),
    ),
]
JointRatioMax = Annotated[
    float | None,
    Metric(
        id="TELE-150",
        label="Ratio joint",
        group=Group.POLICY,
        unit="ratio",
        meaning="Largest product of all relevant heads' probability ratios; log clamped to ±30.",
        question="Do heads that are each healthy explode together?",
        advice="Lower the learning rate or the target KL; ACTION HEADS shows which head moves.",
        minimum=0.0,
        bands=Bands(warning_above=2.0, critical_above=3.0),
        over_epochs=Reduction.MAX,
        over_ranks=Reduction.MAX,
        level=TelemetryLevel.OFF,
    ),
]
JointRatioMin = Annotated[
    float | None,
    Metric(
        id="TELE-150",
        label="Ratio joint min",
        group=Group.POLICY,
        unit="ratio",
        meaning="Smallest product of all relevant heads' probability ratios; log clamped to ±30.",
        question="Is a whole action becoming improbable at once?",
        advice="Lower the learning rate or the target KL; ACTION HEADS shows which head moves.",
        minimum=0.0,
        bands=Bands(critical_below=0.33, warning_below=0.5),
        over_epochs=Reduction.MIN,
        over_ranks=Reduction.MIN,
        level=TelemetryLevel.OFF,
    ),
]
LogProbMin = Annotated[
    float | None,
    Metric(
        id="TELE-160",
        label="logp min",
        group=Group.POLICY,
        unit="nats",
        meaning="Smallest log-probability of a relevant choice.",
        question="Is a choice that was taken becoming impossible?",
        advice="Raise the entropy coefficient: the policy considers a choice that was taken all but "
        "impossible.",
        maximum=0.0,
        bands=Bands(critical_below=-100.0, warning_below=-50.0, inclusive=True),
        over_epochs=Reduction.MIN,
        over_ranks=Reduction.MIN,
    ),
]
EntropyVelocity = Annotated[
    float | None,
    Metric(
        id="TELE-121",
        label="Entr/update",
        group=Group.POLICY,
        unit="share/update",
        meaning="Least-squares slope of the normalised entropy over the last ten updates.",
        question="How fast is the policy losing its exploration?",
        advice="Raise the entropy coefficient while there is still exploration to preserve.",
        precision=4,
        bands=Bands(critical_below=-0.03, warning_below=-0.01, inclusive=True),
        level=TelemetryLevel.MINIMAL,
    ),
]
CollapseRisk = Annotated[
    float | None,
    Metric(
        id="TELE-122",
        label="Collapse risk",
        group=Group.POLICY,
        unit="share",
        meaning="Nearness of the normalised entropy to its critical bound, in distance and, while it falls, "
        "in time; it moves in steps of at least 0.08.",
        question="Will the policy collapse soon if nothing is done?",
        advice="Raise the entropy coefficient; after a collapse, resume from an earlier checkpoint.",
        precision=2,
        minimum=0.0,
        maximum=1.0,
        bands=Bands(warning_above=0.3, critical_above=0.7, inclusive=True),
        good=Good.FALLING,
        over_ranks=Reduction.MAX,
        level=TelemetryLevel.MINIMAL,
    ),
]
EntropyClipCorrelation = Annotated[
    float | None,
    Metric(
        id="TELE-123",
        label="Entr~Clip",
        group=Group.POLICY,
        unit="correlation",
        meaning="Pearson's correlation of the normalised entropy and the clip fraction over the last ten "
        "updates; it is judged only while the entropy is low, and is critical only while the clip "
        "fraction is high too.",
        question="Do clipped updates drive the entropy down?",
        advice="Lower the learning rate, and raise the entropy coefficient.",
        precision=2,
        minimum=-1.0,
        maximum=1.0,
        bands=Bands(critical_below=-0.5, warning_below=-0.4),
        level=TelemetryLevel.MINIMAL,
    ),
]
JointRatioMean = Annotated[
    float | None,
    Metric(
        label="Ratio mean",
        group=Group.POLICY,
        unit="ratio",
        meaning="Mean over steps and epochs of the product of all relevant heads' probability ratios; log"
        " clamped to ±30.",
        question="Does the policy as a whole still choose like the one that acted?",
        advice="Lower the learning rate, or use fewer epochs.",
        minimum=0.0,
        bands=RATIO_BANDS,
    ),
]
JointRatioStd = Annotated[
    float | None,
    Metric(
        label="Ratio std",
        group=Group.POLICY,
        unit="ratio",
        meaning="Standard deviation over steps and epochs of the product of all relevant heads' "
        "probability ratios.",
        question="How unevenly did the update move the policy?",
        advice="Lower the learning rate, or use fewer epochs.",
        minimum=0.0,
        bands=Bands(warning_above=0.5),
        good=Good.FALLING,
    ),
]
LogProbMax = Annotated[
    float | None,
    Metric(
        id="TELE-161",
        label="logp max",
        group=Group.POLICY,
        unit="nats",
        meaning="Largest log-probability of a relevant choice.",
        question="Is even the likeliest choice unlikely?",
        advice="If it stays at 0, some head always makes the same choice: see ACTION HEADS.",
        maximum=0.0,
        bands=Bands(critical_below=-50.0, warning_below=-1.0, inclusive=True),
        over_epochs=Reduction.MAX,
        over_ranks=Reduction.MAX,
    ),
]
