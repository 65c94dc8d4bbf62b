"""What is measured of each action head."""

from typing import Annotated

from esper_schemas.metrics.metric import RATIO_BANDS, Bands, Group, Metric, Reduction, TelemetryLevel

HeadEntropy = Annotated[
    float | None,
    Metric(
        id="TELE-170",
        label="Entr",
        group=Group.HEADS,
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
        group=Group.HEADS,
        unit="share",
        meaning="Mean of the head's entropy divided by ln of its number of legal choices, over relevant "
        "steps with more than one.",
        question="Is the head itself deterministic, or do the masks leave it no choice?",
        minimum=0.0,
        maximum=1.0,
    ),
]
HeadRelevance = Annotated[
    float | None,
    Metric(
        label="Relevance",
        group=Group.HEADS,
        unit="share",
        meaning="Share of the steps whose op makes the head relevant.",
        question="From how much data does the head learn?",
        advice="If it stays at 0, the ops that need this head are never chosen: see the entropy of op.",
        minimum=0.0,
        maximum=1.0,
    ),
]
HeadRatioMax = Annotated[
    float | None,
    Metric(
        id="TELE-151",
        label="Ratio",
        group=Group.HEADS,
        unit="ratio",
        meaning="Largest ratio of the new to the old probability of a relevant choice, over all epochs; "
        "log clamped to ±20.",
        question="Does one head move too far while the aggregate looks healthy?",
        minimum=0.0,
        bands=RATIO_BANDS,
        over_epochs=Reduction.MAX,
        over_ranks=Reduction.MAX,
        level=TelemetryLevel.OFF,
    ),
]
HeadRatioMin = Annotated[
    float | None,
    Metric(
        id="TELE-151",
        label="Ratio min",
        group=Group.HEADS,
        unit="ratio",
        meaning="Smallest ratio of the new to the old probability of a relevant choice, over all "
        "epochs; log clamped to ±20.",
        question="Is a choice of one head becoming improbable, which no maximum shows?",
        minimum=0.0,
        bands=RATIO_BANDS,
        over_epochs=Reduction.MIN,
        over_ranks=Reduction.MIN,
        level=TelemetryLevel.OFF,
    ),
]
HeadGradNorm = Annotated[
    float | None,
    Metric(
        id="TELE-320",
        label="Grad",
        group=Group.HEADS,
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
        group=Group.HEADS,
        unit="nats",
        meaning="Schulman's k3 estimate of the head's KL divergence over its relevant steps.",
        question="Which head moved the policy?",
        advice="The head with the largest one moved the policy: see its ratios.",
        precision=4,
        minimum=0.0,
    ),
]
HeadClipFraction = Annotated[
    float | None,
    Metric(
        label="Clip",
        group=Group.HEADS,
        unit="share",
        meaning="Share of the head's relevant steps whose ratio left the clip range.",
        question="Which head is being clipped?",
        advice="The head with the largest one moves too far: see its ratios, and lower the learning rate.",
        minimum=0.0,
        maximum=1.0,
    ),
]
HeadLearnableFraction = Annotated[
    float | None,
    Metric(
        label="Learnable",
        group=Group.HEADS,
        unit="share",
        meaning="Share of the steps where the head was relevant and had more than one legal choice.",
        question="From how many steps can the head learn?",
        advice="Near 0, the masks make the choices, and the head's other numbers mean little.",
        precision=2,
        minimum=0.0,
        maximum=1.0,
    ),
]
HeadStd = Annotated[
    float | None,
    Metric(
        label="Std",
        group=Group.HEADS,
        unit="action",
        meaning="Mean standard deviation of a continuous head's distribution.",
        question="How widely does a continuous head still explore?",
        minimum=0.0,
    ),
]
