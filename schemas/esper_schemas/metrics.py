"""The metric catalogue, as the types of the payload's fields.

Bands of TELE-131, 132, 151 and 170 are those of their records. No threshold stands anywhere else.
"""

from typing import Annotated

from esper_schemas.metric import Bands, Good, Metric, Reduction, TelemetryLevel

RATIO_BANDS = Bands(critical_below=0.5, warning_below=0.8, warning_above=1.2, critical_above=1.5)
GRAD_NORM_BANDS = Bands(warning_above=5.0, critical_above=10.0)
FAULT_COUNT_BANDS = Bands(warning_above=0.0, critical_above=5.0)

PolicyLoss = Annotated[
    float,
    Metric(
        id="TELE-131",
        label="P.Loss",
        unit="loss",
        meaning="Clipped surrogate objective, negated: the sum over heads of its mean over the steps "
        "where the head was relevant.",
        question="Is the policy learning signal healthy or degenerating?",
        trend_threshold=0.20,
        level=TelemetryLevel.MINIMAL,
    ),
]
ValueLoss = Annotated[
    float,
    Metric(
        id="TELE-132",
        label="V.Loss",
        unit="return²",
        meaning="Half the mean of the larger of the squared errors of the value and the clipped value "
        "against the return.",
        question="Does the critic predict returns well enough to be a baseline?",
        minimum=0.0,
        bands=Bands(warning_below=0.001, warning_above=5.0, critical_above=20.0),
        trend_threshold=0.20,
        good=Good.FALLING,
        level=TelemetryLevel.MINIMAL,
    ),
]
Entropy = Annotated[
    float | None,
    Metric(
        id="TELE-120",
        label="Entropy",
        unit="nats",
        meaning="Sum over the heads of their mean entropy where relevant.",
        question="Does the policy as a whole still explore?",
        minimum=0.0,
        trend_threshold=0.08,
        level=TelemetryLevel.MINIMAL,
    ),
]
EntropyNormalized = Annotated[
    float | None,
    Metric(
        label="Entropy/max",
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
        unit="share",
        meaning="Share of relevant head choices whose probability ratio left the clip range.",
        question="How often did clipping cut the update?",
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
        unit="share",
        meaning="Share of relevant head choices whose ratio rose above the clip range.",
        question="Is clipping cutting increases?",
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
        unit="share",
        meaning="Share of relevant head choices whose ratio fell below the clip range.",
        question="Is clipping cutting decreases?",
        minimum=0.0,
        maximum=1.0,
        bands=Bands(warning_above=0.15, critical_above=0.30, inclusive=True),
    ),
]
ExplainedVariance = Annotated[
    float | None,
    Metric(
        id="TELE-200",
        label="Expl.Var",
        unit="share",
        meaning="1 - Var(return - value) / Var(return), on the rollout, before the update.",
        question="Does the critic explain the returns?",
        maximum=1.0,
        bands=Bands(critical_below=0.0, warning_below=0.3),
        good=Good.RISING,
        level=TelemetryLevel.MINIMAL,
    ),
]
GradNorm = Annotated[
    float | None,
    Metric(
        id="TELE-310",
        label="Grad",
        unit="L2",
        meaning="Norm of the whole gradient after clipping, mean over minibatches.",
        question="How large are the steps that are really taken?",
        minimum=0.0,
        bands=GRAD_NORM_BANDS,
        trend_threshold=0.25,
        level=TelemetryLevel.MINIMAL,
    ),
]
GradNormPreClip = Annotated[
    float | None,
    Metric(
        label="Grad raw",
        unit="L2",
        meaning="Largest norm of the whole gradient before clipping.",
        question="Is clipping hiding an explosion?",
        minimum=0.0,
        bands=GRAD_NORM_BANDS,
        trend_threshold=0.25,
        over_epochs=Reduction.MAX,
        over_ranks=Reduction.MAX,
        level=TelemetryLevel.MINIMAL,
    ),
]
JointRatioMax = Annotated[
    float,
    Metric(
        id="TELE-150",
        label="Ratio joint",
        unit="ratio",
        meaning="Largest product of all relevant heads' probability ratios; log clamped to ±30.",
        question="Do heads that are each healthy explode together?",
        minimum=0.0,
        bands=Bands(warning_above=2.0, critical_above=3.0),
        over_epochs=Reduction.MAX,
        over_ranks=Reduction.MAX,
    ),
]
JointRatioMin = Annotated[
    float,
    Metric(
        id="TELE-150",
        label="Ratio joint min",
        unit="ratio",
        meaning="Smallest product of all relevant heads' probability ratios; log clamped to ±30.",
        question="Is some whole action being forgotten at once?",
        minimum=0.0,
        bands=Bands(critical_below=0.33, warning_below=0.5),
        over_epochs=Reduction.MIN,
        over_ranks=Reduction.MIN,
    ),
]
LogProbMin = Annotated[
    float | None,
    Metric(
        id="TELE-160",
        label="logp min",
        unit="nats",
        meaning="Smallest log-probability of a relevant choice.",
        question="Is a choice that was taken becoming impossible?",
        maximum=0.0,
        bands=Bands(critical_below=-100.0, warning_below=-50.0, inclusive=True),
        over_epochs=Reduction.MIN,
        over_ranks=Reduction.MIN,
    ),
]
AdvantageMean = Annotated[
    float | None,
    Metric(
        id="TELE-141",
        label="Adv mean",
        unit="return",
        meaning="Mean of the advantages before they are normalised.",
        question="Is the critic biased?",
    ),
]
AdvantageStd = Annotated[
    float | None,
    Metric(
        id="TELE-140",
        label="Adv std",
        unit="return",
        meaning="Standard deviation of the advantages before they are normalised.",
        question="Is there a signal to normalise, or only noise to amplify?",
        minimum=0.0,
    ),
]
ReturnMean = Annotated[
    float | None,
    Metric(
        label="Return mean",
        unit="return",
        meaning="Mean of the value targets (GAE returns) over the rollout.",
        question="What scale does the critic have to predict?",
    ),
]
ReturnStd = Annotated[
    float | None,
    Metric(
        label="Return std",
        unit="return",
        meaning="Standard deviation of the value targets (GAE returns) over the rollout.",
        question="How much is there to explain?",
        minimum=0.0,
    ),
]
ValueMean = Annotated[
    float | None,
    Metric(
        id="TELE-210",
        label="Value mean",
        unit="return",
        meaning="Mean of the critic's predictions during the rollout.",
        question="Does the critic sit where the returns are?",
    ),
]
ValueStd = Annotated[
    float | None,
    Metric(
        id="TELE-211",
        label="Value std",
        unit="return",
        meaning="Standard deviation of the critic's predictions during the rollout.",
        question="Has the critic collapsed to a constant?",
        minimum=0.0,
    ),
]
NanGradCount = Annotated[
    int | None,
    Metric(
        id="TELE-300",
        label="NaN grads",
        unit="count",
        meaning="NaN entries of the gradient, summed over minibatches.",
        question="Has the arithmetic broken?",
        precision=0,
        minimum=0.0,
        bands=FAULT_COUNT_BANDS,
        good=Good.FALLING,
        over_epochs=Reduction.SUM,
        over_ranks=Reduction.SUM,
        level=TelemetryLevel.MINIMAL,
    ),
]
InfGradCount = Annotated[
    int | None,
    Metric(
        id="TELE-301",
        label="Inf grads",
        unit="count",
        meaning="Infinite entries of the gradient, summed over minibatches.",
        question="Has the arithmetic overflowed?",
        precision=0,
        minimum=0.0,
        bands=FAULT_COUNT_BANDS,
        good=Good.FALLING,
        over_epochs=Reduction.SUM,
        over_ranks=Reduction.SUM,
        level=TelemetryLevel.MINIMAL,
    ),
]
LearningRate = Annotated[
    float | None,
    Metric(
        label="Learning rate",
        unit="1",
        meaning="Adam's step size in this update.",
        question="How large a step is allowed?",
        precision=6,
        minimum=0.0,
        over_epochs=Reduction.LAST,
        level=TelemetryLevel.MINIMAL,
    ),
]
EntropyCoefficient = Annotated[
    float | None,
    Metric(
        label="Entropy coef",
        unit="1",
        meaning="Weight of the entropy bonus in the loss, before the heads' own multipliers.",
        question="How strongly is exploration rewarded?",
        precision=4,
        minimum=0.0,
        over_epochs=Reduction.LAST,
        level=TelemetryLevel.MINIMAL,
    ),
]
EpochsCompleted = Annotated[
    int | None,
    Metric(
        label="Epochs",
        unit="count",
        meaning="PPO epochs that were applied before the target KL stopped the update.",
        question="Did the update stop early?",
        precision=0,
        minimum=0.0,
        over_epochs=Reduction.LAST,
        over_ranks=Reduction.MIN,
        level=TelemetryLevel.MINIMAL,
    ),
]
SkippedSteps = Annotated[
    int | None,
    Metric(
        label="Skipped steps",
        unit="count",
        meaning="Optimiser steps that were not taken because loss or gradient was not finite.",
        question="Is the policy still being trained at all?",
        precision=0,
        minimum=0.0,
        bands=FAULT_COUNT_BANDS,
        good=Good.FALLING,
        over_epochs=Reduction.SUM,
        over_ranks=Reduction.MAX,
        level=TelemetryLevel.MINIMAL,
    ),
]
UpdateTime = Annotated[
    float | None,
    Metric(
        label="Update",
        unit="ms",
        meaning="Wall time of the PPO update.",
        question="Where does the time go?",
        precision=1,
        minimum=0.0,
        good=Good.FALLING,
        over_ranks=Reduction.MAX,
        level=TelemetryLevel.MINIMAL,
    ),
]
HeadEntropy = Annotated[
    float | None,
    Metric(
        id="TELE-170",
        label="Entr",
        unit="nats",
        meaning="Mean entropy of the head's choice over the steps where it was relevant, averaged over "
        "epochs.",
        question="Which head is collapsing while the sum still looks healthy?",
        minimum=0.0,
        bands=Bands(critical_below=0.25, warning_below=0.5, inclusive=True),
        share_of_maximum=True,
        trend_threshold=0.08,
    ),
]
HeadEntropyLegal = Annotated[
    float | None,
    Metric(
        label="Entr/legal",
        unit="share",
        meaning="Mean of the head's entropy divided by ln of its number of legal choices, over relevant "
        "steps with more than one.",
        question="Is the head deterministic by itself, or do the masks leave it no choice?",
        minimum=0.0,
        maximum=1.0,
    ),
]
HeadRelevance = Annotated[
    float | None,
    Metric(
        label="Relevance",
        unit="share",
        meaning="Share of the steps whose op makes the head relevant.",
        question="From how much data does the head learn?",
        minimum=0.0,
        maximum=1.0,
    ),
]
HeadRatioMax = Annotated[
    float,
    Metric(
        id="TELE-151",
        label="Ratio",
        unit="ratio",
        meaning="Largest ratio of the new to the old probability of a relevant choice, over all epochs; "
        "log clamped to ±20.",
        question="Does one head move too far while the aggregate looks healthy?",
        minimum=0.0,
        bands=RATIO_BANDS,
        over_epochs=Reduction.MAX,
        over_ranks=Reduction.MAX,
    ),
]
HeadRatioMin = Annotated[
    float,
    Metric(
        id="TELE-151",
        label="Ratio min",
        unit="ratio",
        meaning="Smallest ratio of the new to the old probability of a relevant choice, over all "
        "epochs; log clamped to ±20.",
        question="Is one head forgetting a choice, which no maximum can show?",
        minimum=0.0,
        bands=RATIO_BANDS,
        over_epochs=Reduction.MIN,
        over_ranks=Reduction.MIN,
    ),
]
HeadGradNorm = Annotated[
    float | None,
    Metric(
        id="TELE-320",
        label="Grad",
        unit="L2",
        meaning="Norm of the gradient of the head's rows of the output layer, before clipping, mean over "
        "minibatches.",
        question="Which head learns, and which is dead or exploding?",
        minimum=0.0,
        bands=Bands(critical_below=0.01, warning_below=0.1, warning_above=2.0, critical_above=5.0),
        trend_threshold=0.25,
    ),
]
HeadKL = Annotated[
    float | None,
    Metric(
        label="KL",
        unit="nats",
        meaning="The k3 estimate of the head's divergence over its relevant steps.",
        question="Which head moved the policy?",
        precision=4,
        minimum=0.0,
    ),
]
HeadClipFraction = Annotated[
    float | None,
    Metric(
        label="Clip",
        unit="share",
        meaning="Share of the head's relevant steps whose ratio left the clip range.",
        question="Which head is being clipped?",
        minimum=0.0,
        maximum=1.0,
    ),
]

EntropyVelocity = Annotated[
    float | None,
    Metric(
        id="TELE-121",
        label="Entr/update",
        unit="share/update",
        meaning="Least-squares slope of the normalised entropy over the last ten updates.",
        question="How fast is the policy losing its exploration?",
        precision=4,
        bands=Bands(critical_below=-0.03, warning_below=-0.01, inclusive=True),
        level=TelemetryLevel.MINIMAL,
    ),
]
CollapseRisk = Annotated[
    float | None,
    Metric(
        id="TELE-122",
        label="Collapse",
        unit="share",
        meaning="Nearness of the normalised entropy to its critical bound, in distance and, while it falls, "
        "in time; it moves in steps of at least 0.08.",
        question="Will the policy collapse soon if nothing is done?",
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
        unit="correlation",
        meaning="Pearson's correlation of the normalised entropy and the clip fraction over the last ten "
        "updates; it is judged only while the entropy is low, and is critical only while the clip "
        "fraction is high too.",
        question="Are clipped updates what drives the entropy down?",
        precision=2,
        minimum=-1.0,
        maximum=1.0,
        bands=Bands(critical_below=-0.5, warning_below=-0.4),
        level=TelemetryLevel.MINIMAL,
    ),
]

LossRatio = Metric(
    label="Lv/Lp",
    unit="ratio",
    meaning="Value loss divided by the magnitude of the policy loss.",
    question="Does one of the two losses drown the other?",
    precision=2,
    minimum=0.0,
    bands=Bands(critical_below=0.1, warning_below=0.2, warning_above=5.0, critical_above=10.0),
)
"""Derived from TELE-131 and TELE-132; not a field, because it is undefined when the policy loss is 0."""
