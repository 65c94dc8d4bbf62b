"""How large the gradients are, where, and whether they are finite."""

from typing import Annotated

from esper_schemas.drift import GRADIENT_DRIFT
from esper_schemas.metrics.metric import (
    FAULT_COUNT_BANDS,
    Bands,
    Good,
    Group,
    Metric,
    Reduction,
    TelemetryLevel,
)

GRAD_NORM_BANDS = Bands(warning_above=5.0, critical_above=10.0)
LAYER_COUNT_BANDS = Bands(warning_above=1.0, critical_above=3.0, inclusive=True)
DEAD_GRADIENT_FACTOR = 1e-8
"""A parameter does not learn if the root mean square of its gradient's entries is below this fraction of the
clipping norm."""

EXPLODING_GRADIENT_FACTOR = 10.0
"""A parameter explodes if its gradient norm is more than this many times the clipping norm."""

MAGNITUDE_FACTORS = (1e-8, 1e-6, 1e-4, 1e-2, 1.0)
"""The bounds by which the entries of a gradient are counted, as fractions of the clipping norm."""

GradNorm = Annotated[
    float | None,
    Metric(
        id="TELE-310",
        label="Grad",
        group=Group.GRADIENTS,
        unit="L2",
        meaning="Norm of the whole gradient after clipping, mean over minibatches.",
        question="How large are the steps that are actually taken?",
        advice="Lower the learning rate; a norm that stays near the limit means that every step is clipped.",
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
        group=Group.GRADIENTS,
        unit="L2",
        meaning="Largest norm of the whole gradient before clipping.",
        question="Is clipping hiding an explosion?",
        minimum=0.0,
        bands=GRAD_NORM_BANDS,
        trend_threshold=0.25,
        over_epochs=Reduction.MAX,
        over_ranks=Reduction.MAX,
        level=TelemetryLevel.OFF,
    ),
]
GradientDrift = Annotated[
    float | None,
    Metric(
        label="Grad drift",
        group=Group.GRADIENTS,
        unit="times",
        meaning="How many times larger or smaller the gradient norm before clipping is than its running "
        "mean.",
        question="Are gradients as large as they were?",
        advice="See which head's gradient has changed; lower the learning rate if it grows.",
        precision=2,
        minimum=1.0,
        bands=Bands(warning_above=GRADIENT_DRIFT),
        over_ranks=Reduction.MAX,
        level=TelemetryLevel.OFF,
    ),
]
NanGradCount = Annotated[
    int | None,
    Metric(
        id="TELE-300",
        label="NaN grads",
        group=Group.GRADIENTS,
        unit="count",
        meaning="NaN entries of the gradient, summed over minibatches.",
        question="Has the arithmetic broken down?",
        precision=0,
        minimum=0.0,
        bands=FAULT_COUNT_BANDS,
        good=Good.FALLING,
        over_epochs=Reduction.SUM,
        over_ranks=Reduction.SUM,
        level=TelemetryLevel.OFF,
    ),
]
InfGradCount = Annotated[
    int | None,
    Metric(
        id="TELE-301",
        label="Inf grads",
        group=Group.GRADIENTS,
        unit="count",
        meaning="Infinite entries of the gradient, summed over minibatches.",
        question="Has the arithmetic overflowed?",
        precision=0,
        minimum=0.0,
        bands=FAULT_COUNT_BANDS,
        good=Good.FALLING,
        over_epochs=Reduction.SUM,
        over_ranks=Reduction.SUM,
        level=TelemetryLevel.OFF,
    ),
]
GradientCV = Annotated[
    float | None,
    Metric(
        id="TELE-330",
        label="Grad CV",
        group=Group.GRADIENTS,
        unit="ratio",
        meaning="Standard deviation of the eight heads' gradient norms divided by their mean.",
        question="Do all heads learn, or does one take most of the gradient?",
        advice="One head takes most of the gradient: see Grad in ACTION HEADS.",
        precision=2,
        minimum=0.0,
        bands=Bands(warning_above=0.5, critical_above=2.0, inclusive=True),
        good=Good.FALLING,
    ),
]
DeadLayers = Annotated[
    int | None,
    Metric(
        id="TELE-331",
        label="Dead layers",
        group=Group.GRADIENTS,
        unit="count",
        meaning="Parameters whose gradient before clipping has a root mean square, over entries and "
        "minibatches, below 1e-8 times the largest norm that clipping allows.",
        question="Has a part of the network stopped learning?",
        advice="Find the layers with telemetry at debug; a head that is never relevant has no gradient.",
        precision=0,
        minimum=0.0,
        bands=LAYER_COUNT_BANDS,
        good=Good.FALLING,
        over_epochs=Reduction.MAX,
        over_ranks=Reduction.MAX,
    ),
]
ExplodingLayers = Annotated[
    int | None,
    Metric(
        id="TELE-332",
        label="Exploding",
        group=Group.GRADIENTS,
        unit="count",
        meaning="Parameters whose gradient norm before clipping exceeds ten times the largest norm that "
        "clipping allows, root mean square over minibatches.",
        question="Do gradients exceed what clipping can correct?",
        advice="Lower the learning rate; find the layers with telemetry at debug.",
        precision=0,
        minimum=0.0,
        bands=LAYER_COUNT_BANDS,
        good=Good.FALLING,
        over_epochs=Reduction.MAX,
        over_ranks=Reduction.MAX,
    ),
]
ValueGradNorm = Annotated[
    float | None,
    Metric(
        label="V grad",
        group=Group.GRADIENTS,
        unit="L2",
        meaning="Norm of the gradient of the value's row of the output layer, before clipping, mean over "
        "minibatches.",
        question="Does the critic learn?",
        advice="If it is far larger than the norms of the heads, the critic dominates: lower the value "
        "coefficient, or normalise values.",
        minimum=0.0,
        trend_threshold=0.25,
    ),
]
LstmGradNorm = Annotated[
    float | None,
    Metric(
        label="LSTM grad",
        group=Group.GRADIENTS,
        unit="L2",
        meaning="Norm of the gradient of all of the LSTM's parameters, before clipping, root mean square "
        "over minibatches.",
        question="Does the memory learn, or does its gradient vanish or explode?",
        advice="Lower the learning rate, or clip the gradient earlier.",
        minimum=0.0,
        bands=GRAD_NORM_BANDS,
        trend_threshold=0.25,
    ),
]
