"""The losses, and how the optimiser applied them."""

from typing import Annotated

from esper_schemas.metrics.metric import (
    FAULT_COUNT_BANDS,
    Bands,
    Good,
    Group,
    Metric,
    Reduction,
    TelemetryLevel,
)

PolicyLoss = Annotated[
    float | None,
    Metric(
        id="TELE-131",
        label="P.Loss",
        group=Group.LOSSES,
        unit="loss",
        meaning="Clipped surrogate objective, negated: the sum over heads of its mean over the steps "
        "where the head was relevant.",
        question="Is the policy learning signal healthy or degenerating?",
        advice="Judge it by Lv/Lp and KL, as its size alone says little; if it is not finite, see GRADIENTS "
        "& LSTM.",
        trend_threshold=0.20,
        level=TelemetryLevel.OFF,
    ),
]
ValueLoss = Annotated[
    float | None,
    Metric(
        id="TELE-132",
        label="V.Loss",
        group=Group.LOSSES,
        unit="return²",
        meaning="Half the mean of the larger of the squared errors of the value and the clipped value "
        "against the return.",
        question="Does the critic predict returns well enough to be a baseline?",
        minimum=0.0,
        bands=Bands(warning_below=0.001, warning_above=5.0, critical_above=20.0),
        trend_threshold=0.20,
        good=Good.FALLING,
        level=TelemetryLevel.OFF,
    ),
]
LearningRate = Annotated[
    float | None,
    Metric(
        label="Learning rate",
        group=Group.LOSSES,
        unit="1",
        meaning="Adam's step size in this update.",
        question="How large a step is allowed?",
        advice="If KL and Clip are too high, lower it by a factor of 3 to 10.",
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
        group=Group.LOSSES,
        unit="1",
        meaning="Weight of the entropy bonus in the loss, before the heads' own multipliers.",
        question="How strongly is exploration rewarded?",
        advice="Raise it where heads collapse, lower it where they stay uniform.",
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
        group=Group.LOSSES,
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
        group=Group.LOSSES,
        unit="count",
        meaning="Optimiser steps that were not taken because loss or gradient was not finite.",
        question="Is the policy still being trained at all?",
        precision=0,
        minimum=0.0,
        bands=FAULT_COUNT_BANDS,
        good=Good.FALLING,
        over_epochs=Reduction.SUM,
        over_ranks=Reduction.MAX,
        level=TelemetryLevel.OFF,
    ),
]

LossRatio = Metric(
    label="Lv/Lp",
    group=Group.LOSSES,
    unit="ratio",
    meaning="Value loss divided by the magnitude of the policy loss.",
    question="Does one of the two losses dominate the other?",
    advice="If it is high, lower the value coefficient or normalise values; if it is low, raise it.",
    precision=2,
    minimum=0.0,
    bands=Bands(critical_below=0.1, warning_below=0.2, warning_above=5.0, critical_above=10.0),
)
"""Derived from TELE-131 and TELE-132. It is not a field, as it is undefined where the policy loss is 0."""
