"""What a trainer verifies about its own update: identities of every correct PPO, and the effect of an update.

The first four hold exactly up to rounding, whatever the task and the settings are.
"""

from typing import Annotated

from esper_schemas.metrics.metric import Bands, Good, Group, Metric, Reduction, TelemetryLevel

LARGEST_HEALTHY_RATIO_ERROR = 1e-3
"""In float32 the ratios of the first minibatch differ from 1 by rounding only, about 1e-7."""

LARGEST_LOW_PRECISION_RATIO_ERROR = 2e-2
"""The same where products are computed in bfloat16, float16 or TensorFloat-32."""

InitialRatioMax = Annotated[
    float | None,
    Metric(
        label="Ratio error",
        group=Group.POLICY,
        unit="ratio",
        meaning="Largest |ratio - 1| of a choice in the first minibatch, before any optimiser step: 0 up to "
        "rounding, because the policy is still the one that acted.",
        question="Are the old log-probabilities those of the policy that acted?",
        precision=4,
        minimum=0.0,
        bands=Bands(
            warning_above=LARGEST_HEALTHY_RATIO_ERROR, critical_above=LARGEST_LOW_PRECISION_RATIO_ERROR
        ),
        good=Good.FALLING,
        over_ranks=Reduction.MAX,
    ),
]
InitialKL = Annotated[
    float | None,
    Metric(
        label="KL initial",
        group=Group.POLICY,
        unit="nats",
        meaning="KL divergence (Schulman's k3 estimator) in the first minibatch, before any optimiser step: "
        "0 up to rounding.",
        question="Is the policy of the first minibatch the one that acted?",
        precision=4,
        bands=Bands(warning_above=1e-5, critical_above=2e-4),
        good=Good.FALLING,
        over_ranks=Reduction.MAX,
    ),
]
GAEResidual = Annotated[
    float | None,
    Metric(
        label="GAE error",
        group=Group.ADVANTAGES,
        unit="deviations",
        meaning="Largest error of the advantages that the loss reads, in their standard deviations (at least "
        "0.001 of the largest value): against those that follow by GAE from the values and the rewards of "
        "the environment.",
        question="Are the advantages those of these actions?",
        precision=4,
        minimum=0.0,
        bands=Bands(warning_above=1e-2, critical_above=1e-1),
        good=Good.FALLING,
        over_ranks=Reduction.MAX,
    ),
]
RewardChecksumError = Annotated[
    float | None,
    Metric(
        label="Reward error",
        group=Group.RETURNS,
        unit="share",
        meaning="Difference between learner and environment in the sum of t · reward over the steps t of a "
        "rollout, as a share of the sum of t · |reward|.",
        question="Does the learner have the rewards that the environment returned, at the same steps?",
        precision=4,
        minimum=0.0,
        bands=Bands(warning_above=1e-4, critical_above=1e-2),
        good=Good.FALLING,
        over_ranks=Reduction.MAX,
    ),
]
AdvantageCorrelation = Annotated[
    float | None,
    Metric(
        label="Δlogπ~Adv",
        group=Group.ADVANTAGES,
        unit="correlation",
        meaning="Pearson's correlation over steps of the change of log π in the update and the advantage "
        "that follows from the rewards; our trainer measures it where the GAE error is small.",
        question="Does the update make good actions more likely?",
        precision=3,
        minimum=-1.0,
        maximum=1.0,
        good=Good.RISING,
    ),
]
KLFinal = Annotated[
    float | None,
    Metric(
        label="KL final",
        group=Group.POLICY,
        unit="nats",
        meaning="KL divergence (Schulman's k3 estimator) per choice after the last optimiser step, over the "
        "whole rollout; KL is the mean over the minibatches, each before its own step.",
        question="How far has the whole update moved the policy?",
        advice="If it is far above KL, use fewer epochs or a target KL, which compares KL only.",
        precision=4,
        minimum=0.0,
        level=TelemetryLevel.DEBUG,
    ),
]
JointKLFinal = Annotated[
    float | None,
    Metric(
        label="KL joint final",
        group=Group.POLICY,
        unit="nats",
        meaning="KL divergence (Schulman's k3 estimator) of whole actions, all relevant heads together, "
        "after the last optimiser step.",
        question="How far has the update moved the policy, all heads together?",
        advice="If it is far above KL final, all heads move at once: lower the learning rate.",
        precision=4,
        minimum=0.0,
        level=TelemetryLevel.DEBUG,
    ),
]
ClipFractionFinal = Annotated[
    float | None,
    Metric(
        label="Clip final",
        group=Group.POLICY,
        unit="share",
        meaning="Share of relevant choices whose ratio is outside of the clip range after the last optimiser "
        "step.",
        question="How much of the rollout has the update used up?",
        advice="If it is far above Clip, the last epochs change little but the clipped choices: use fewer.",
        minimum=0.0,
        maximum=1.0,
        level=TelemetryLevel.DEBUG,
    ),
]
RatioMaxFinal = Annotated[
    float | None,
    Metric(
        label="Ratio final",
        group=Group.POLICY,
        unit="ratio",
        meaning="Largest ratio of a choice after the last optimiser step.",
        question="Which choice has become much likelier in the whole update?",
        advice="If it is large, lower the learning rate or use fewer epochs.",
        minimum=0.0,
        over_ranks=Reduction.MAX,
        level=TelemetryLevel.DEBUG,
    ),
]
JointRatioMaxFinal = Annotated[
    float | None,
    Metric(
        label="Ratio joint final",
        group=Group.POLICY,
        unit="ratio",
        meaning="Largest product of all relevant heads' ratios after the last optimiser step; log clamped to "
        "±30.",
        question="Has a whole action become much likelier in the whole update?",
        advice="If it is large, use fewer epochs; ACTION HEADS shows which head moves.",
        minimum=0.0,
        over_ranks=Reduction.MAX,
        level=TelemetryLevel.DEBUG,
    ),
]
ValueGradientShare = Annotated[
    float | None,
    Metric(
        label="V grad share",
        group=Group.GRADIENTS,
        unit="share",
        meaning="Gradient norm of the parameters of the critic alone, as a share of the norm of the whole "
        "gradient before clipping.",
        question="Is the critic trained at all, and does it leave room for the policy?",
        advice="At 0 the critic is not trained: check the value coefficient. Near 1 it fills the gradient "
        "clip: lower the coefficient or normalise returns.",
        minimum=0.0,
        maximum=1.0,
    ),
]
