"""Signs that precede a failure: what the network can still represent, and how an update is steered.

The levels at which they harm depend on the network: compare them with the run's own first updates. No finding
follows from them. The two bounds are far beyond what two healthy trainings of 16 updates reached: there, the
features varied in at least 2.2 dimensions, and at most 14 % of the units were dead.
"""

from typing import Annotated

from esper_schemas.metrics.metric import Bands, Good, Group, Metric, TelemetryLevel

DORMANT = 0.025
"""A unit is dormant if its mean activation is at most this share of the layer's (Sokar et al. 2023)."""

FeatureRank = Annotated[
    float | None,
    Metric(
        label="Feature dims",
        group=Group.GRADIENTS,
        unit="dimensions",
        meaning="Effective number of dimensions in which the trunk's output varies over states: "
        "(tr C)² / tr(C²) of its covariance C, over at most 256 states. It falls where representations "
        "collapse (Kumar et al. 2021; Lyle et al. 2022).",
        question="Can the network still distinguish states?",
        advice="If it falls far below its first values, lower the learning rate or the number of epochs, or "
        "regularise the features.",
        precision=1,
        minimum=0.0,
        bands=Bands(warning_below=1.2),
        good=Good.RISING,
    ),
]
DeadUnits = Annotated[
    float | None,
    Metric(
        label="Dead units",
        group=Group.GRADIENTS,
        unit="share",
        meaning="Share of the feature layer's units whose mean activation is at most 0.025 of the layer's "
        "mean, over at most 256 states: dormant units (Sokar et al. 2023).",
        question="Is the network losing the capacity to learn?",
        advice="If it rises, lower the learning rate, or reset dormant units.",
        minimum=0.0,
        maximum=1.0,
        bands=Bands(warning_above=0.5),
        good=Good.FALLING,
    ),
]
PreactivationNorm = Annotated[
    float | None,
    Metric(
        label="Preactivation",
        group=Group.GRADIENTS,
        unit="1",
        meaning="Root mean square of the feature layer's outputs before normalisation and activation, over "
        "at most 256 states. It grows while a network loses plasticity (Lyle et al. 2024).",
        question="Are activations growing out of the range in which the network learns?",
        advice="If it grows without end, use weight decay or a lower learning rate.",
        minimum=0.0,
        good=Good.FALLING,
    ),
]
KLK1 = Annotated[
    float | None,
    Metric(
        label="KL k1",
        group=Group.POLICY,
        unit="nats",
        meaning="Mean of -ln r over relevant steps: the k1 estimator, which is noisier than k3 and may be "
        "negative (Schulman 2020).",
        question="Do two estimators agree on how far the update moved the policy?",
        advice="If it is far from KL, a few choices with large ratios decide both: see the ratios.",
        precision=4,
    ),
]
LogProbAdvantageCovariance = Annotated[
    float | None,
    Metric(
        label="Cov logp,A",
        group=Group.POLICY,
        unit="nats",
        meaning="Covariance of the log-probability of the action taken and its normalised advantage. A "
        "policy gradient lowers the entropy in proportion to it (Cui et al. 2025).",
        question="Will this rollout make the policy more certain?",
        advice="If it stays high while the entropy falls, raise the entropy coefficient.",
    ),
]
GradientNoiseScale = Annotated[
    float | None,
    Metric(
        label="Noise scale",
        group=Group.GRADIENTS,
        unit="steps",
        meaning="Number of environment steps at which noise and signal of the gradient are equal: "
        "tr Σ / |G|², estimated from the gradients of two halves of the environments before the update "
        "(McCandlish et al. 2018). Not measured where noise dominates, so that the estimate of |G|² is not "
        "positive.",
        question="Is the rollout large enough for a clear gradient?",
        advice="If it far exceeds the steps of a rollout, use more environments or a lower learning rate.",
        precision=0,
        minimum=0.0,
        level=TelemetryLevel.DEBUG,
    ),
]
PolicyChurn = Annotated[
    float | None,
    Metric(
        label="Churn",
        group=Group.POLICY,
        unit="share",
        meaning="Share of relevant choices with an alternative, in half of the environments, whose most "
        "probable option the update changed (Schaul et al. 2022; Tang & Berseth 2024).",
        question="Does an update change decisions that it did not learn about?",
        advice="If it stays high, lower the learning rate or the number of epochs.",
        minimum=0.0,
        maximum=1.0,
        good=Good.FALLING,
        level=TelemetryLevel.DEBUG,
    ),
]
AdvantageP10 = Annotated[
    float | None,
    Metric(
        label="Adv p10",
        group=Group.ADVANTAGES,
        unit="return",
        meaning="10th percentile of the advantages before normalisation, over at most 1,024 steps.",
        question="How bad are the worse decisions?",
        advice="If it is far below Adv p90 above 0, a few bad steps dominate: scale the reward.",
    ),
]
AdvantageP50 = Annotated[
    float | None,
    Metric(
        label="Adv p50",
        group=Group.ADVANTAGES,
        unit="return",
        meaning="Median of the advantages before normalisation, over at most 1,024 steps.",
        question="Is the typical decision neutral?",
        advice="If it stays far from 0, the critic is biased: see Expl.Var and TD mean.",
    ),
]
AdvantageP90 = Annotated[
    float | None,
    Metric(
        label="Adv p90",
        group=Group.ADVANTAGES,
        unit="return",
        meaning="90th percentile of the advantages before normalisation, over at most 1,024 steps.",
        question="How good are the better decisions?",
        advice="If it is far above Adv p10 below 0, a few good steps dominate: scale the reward.",
    ),
]
AdvantageP99 = Annotated[
    float | None,
    Metric(
        label="Adv p99",
        group=Group.ADVANTAGES,
        unit="return",
        meaning="99th percentile of the advantages before normalisation, over at most 1,024 steps.",
        question="Do a few decisions dominate the update?",
        advice="If it is many times Adv p90, scale or clip the reward.",
    ),
]
ValueErrorP10 = Annotated[
    float | None,
    Metric(
        label="V error p10",
        group=Group.VALUE,
        unit="return",
        meaning="10th percentile of |return - value|, over at most 1,024 steps.",
        question="How exact is the critic where it is best?",
        advice="If it is near V error p90, the critic predicts a constant: see Expl.Var.",
        minimum=0.0,
        good=Good.FALLING,
    ),
]
ValueErrorP50 = Annotated[
    float | None,
    Metric(
        label="V error p50",
        group=Group.VALUE,
        unit="return",
        meaning="Median of |return - value|, over at most 1,024 steps.",
        question="How exact is the critic typically?",
        advice="If it rises while the returns do not, lower the learning rate.",
        minimum=0.0,
        good=Good.FALLING,
    ),
]
ValueErrorP90 = Annotated[
    float | None,
    Metric(
        label="V error p90",
        group=Group.VALUE,
        unit="return",
        meaning="90th percentile of |return - value|, over at most 1,024 steps.",
        question="How wrong is the critic where it is bad?",
        advice="If it rises while V error p50 does not, look for states that the critic cannot tell apart.",
        minimum=0.0,
        good=Good.FALLING,
    ),
]
ValueErrorP99 = Annotated[
    float | None,
    Metric(
        label="V error p99",
        group=Group.VALUE,
        unit="return",
        meaning="99th percentile of |return - value|, over at most 1,024 steps.",
        question="Does the critic fail on a few states?",
        advice="If it is many times V error p90, a few states dominate the value loss: scale the reward.",
        minimum=0.0,
        good=Good.FALLING,
    ),
]
