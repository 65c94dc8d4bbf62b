"""The memory of the policy: the states and gates of its LSTM."""

from typing import Annotated

from esper_schemas.metrics.metric import Bands, Good, Group, Metric, Reduction

STATE_BANDS = Bands(critical_below=1e-6, warning_below=1e-4, warning_above=5.0, critical_above=10.0)
SATURATION_BANDS = Bands(warning_above=0.8, critical_above=0.95)
SATURATED_BELOW, SATURATED_ABOVE = 0.05, 0.95
"""A gate outside of these is nearly closed or open."""

LstmHiddenRms = Annotated[
    float | None,
    Metric(
        id="TELE-340",
        label="h rms",
        group=Group.LSTM,
        unit="1",
        meaning="Root mean square of the LSTM's hidden state after the rollout's last step.",
        question="Has the memory vanished, or is it diverging?",
        advice="Near 1 the LSTM is saturated, near 0 it remembers nothing: lower the learning rate.",
        minimum=0.0,
        bands=STATE_BANDS,
    ),
]
LstmHiddenMax = Annotated[
    float | None,
    Metric(
        id="TELE-340",
        label="h max",
        group=Group.LSTM,
        unit="1",
        meaning="Largest magnitude in the LSTM's hidden state after the rollout's last step.",
        question="Is one unit of the memory diverging?",
        advice="Near 1 some units are saturated: see the saturation of the gates.",
        minimum=0.0,
        over_epochs=Reduction.MAX,
        over_ranks=Reduction.MAX,
    ),
]
LstmCellRms = Annotated[
    float | None,
    Metric(
        id="TELE-340",
        label="c rms",
        group=Group.LSTM,
        unit="1",
        meaning="Root mean square of the LSTM's cell state after the rollout's last step.",
        question="Has the memory vanished, or is it diverging?",
        advice="Lower the learning rate; a cell state that only grows never forgets.",
        minimum=0.0,
        bands=STATE_BANDS,
    ),
]
LstmCellMax = Annotated[
    float | None,
    Metric(
        id="TELE-340",
        label="c max",
        group=Group.LSTM,
        unit="1",
        meaning="Largest magnitude in the LSTM's cell state after the rollout's last step.",
        question="Is one unit of the memory diverging?",
        advice="If it only grows, some units never forget: see the forget gate.",
        minimum=0.0,
        over_epochs=Reduction.MAX,
        over_ranks=Reduction.MAX,
    ),
]
LstmCellMean = Annotated[
    float | None,
    Metric(
        label="c mean",
        group=Group.LSTM,
        unit="1",
        meaning="Mean of the LSTM's cell state after the rollout's last step.",
        question="Does the memory drift to one side?",
        advice="If it drifts away from 0, the cell only accumulates: see the forget gate.",
    ),
]
LstmInputGateSaturation = Annotated[
    float | None,
    Metric(
        label="Input gate",
        group=Group.LSTM,
        unit="share",
        meaning="Share of the LSTM's input gates that are nearly closed or open, below 0.05 or above 0.95, "
        "at the rollout's last step.",
        question="Is the gate stuck, so that its gradient vanishes?",
        advice="Lower the learning rate: a saturated gate passes no gradient.",
        precision=2,
        minimum=0.0,
        maximum=1.0,
        bands=SATURATION_BANDS,
        good=Good.FALLING,
    ),
]
LstmForgetGateSaturation = Annotated[
    float | None,
    Metric(
        label="Forget gate",
        group=Group.LSTM,
        unit="share",
        meaning="Share of the LSTM's forget gates that are nearly closed or open, below 0.05 or above 0.95,"
        " at the rollout's last step.",
        question="Is the gate stuck, so that its gradient vanishes?",
        advice="Lower the learning rate: a saturated gate passes no gradient.",
        precision=2,
        minimum=0.0,
        maximum=1.0,
        bands=SATURATION_BANDS,
        good=Good.FALLING,
    ),
]
LstmOutputGateSaturation = Annotated[
    float | None,
    Metric(
        label="Output gate",
        group=Group.LSTM,
        unit="share",
        meaning="Share of the LSTM's output gates that are nearly closed or open, below 0.05 or above 0.95,"
        " at the rollout's last step.",
        question="Is the gate stuck, so that its gradient vanishes?",
        advice="Lower the learning rate: a saturated gate passes no gradient.",
        precision=2,
        minimum=0.0,
        maximum=1.0,
        bands=SATURATION_BANDS,
        good=Good.FALLING,
    ),
]
