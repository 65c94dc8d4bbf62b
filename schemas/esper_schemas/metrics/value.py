"""How well the critic predicts."""

from typing import Annotated

from esper_schemas.metrics.metric import Bands, Good, Group, Metric, Reduction, TelemetryLevel

VALUE_BANDS = Bands(
    critical_below=-10_000.0,
    warning_below=-5_000.0,
    warning_above=5_000.0,
    critical_above=10_000.0,
    inclusive=True,
)
RETURN_VARIANCE_FLOOR = 0.01
"""The variance of returns, in return², below which there is too little to explain."""

ExplainedVariance = Annotated[
    float | None,
    Metric(
        id="TELE-200",
        label="Expl.Var",
        group=Group.VALUE,
        unit="share",
        meaning="1 - Var(return - value) / Var(return), on the rollout, before the update.",
        question="Does the critic explain the returns?",
        maximum=1.0,
        bands=Bands(critical_below=0.0, warning_below=0.3),
        good=Good.RISING,
        level=TelemetryLevel.MINIMAL,
    ),
]
ValueMean = Annotated[
    float | None,
    Metric(
        id="TELE-210",
        label="Value mean",
        group=Group.VALUE,
        unit="return",
        meaning="Mean of the critic's predictions during the rollout.",
        question="Are the critic's predictions where the returns are?",
        advice="If it is far from Return mean, the critic is biased: use more epochs or a larger value "
        "coefficient.",
    ),
]
ValueStd = Annotated[
    float | None,
    Metric(
        id="TELE-211",
        label="Value std",
        group=Group.VALUE,
        unit="return",
        meaning="Standard deviation of the critic's predictions during the rollout.",
        question="Has the critic collapsed to a constant?",
        advice="If it is near 0 while returns vary, the critic has collapsed: lower the learning rate, or "
        "normalise values.",
        minimum=0.0,
    ),
]
ValueMin = Annotated[
    float | None,
    Metric(
        id="TELE-212",
        label="Value min",
        group=Group.VALUE,
        unit="return",
        meaning="Smallest of the critic's predictions during the rollout.",
        question="Does the critic predict something absurdly low?",
        advice="Scale the reward, or normalise values.",
        bands=VALUE_BANDS,
        over_epochs=Reduction.MIN,
        over_ranks=Reduction.MIN,
    ),
]
ValueMax = Annotated[
    float | None,
    Metric(
        id="TELE-213",
        label="Value max",
        group=Group.VALUE,
        unit="return",
        meaning="Largest of the critic's predictions during the rollout.",
        question="Does the critic predict something absurdly high?",
        advice="Scale the reward, or normalise values.",
        bands=VALUE_BANDS,
        over_epochs=Reduction.MAX,
        over_ranks=Reduction.MAX,
    ),
]
TdErrorMean = Annotated[
    float | None,
    Metric(
        id="TELE-221",
        label="TD mean",
        group=Group.VALUE,
        unit="return",
        meaning="Mean of the one-step errors δ = r + γ·V(next) - V over the rollout.",
        question="Is the critic biased from one step to the next?",
        advice="The critic is biased: use more epochs or a larger value coefficient.",
        bands=Bands(
            critical_below=-15.0, warning_below=-5.0, warning_above=5.0, critical_above=15.0, inclusive=True
        ),
    ),
]
TdErrorStd = Annotated[
    float | None,
    Metric(
        id="TELE-222",
        label="TD std",
        group=Group.VALUE,
        unit="return",
        meaning="Standard deviation of the one-step errors δ = r + γ·V(next) - V over the rollout.",
        question="How noisy is what the critic learns from?",
        advice="If it rises while the returns do not, lower the learning rate.",
        minimum=0.0,
        good=Good.FALLING,
    ),
]
BellmanError = Annotated[
    float | None,
    Metric(
        id="TELE-223",
        label="Bellman",
        group=Group.VALUE,
        unit="return",
        meaning="Mean magnitude of the one-step errors δ = r + γ·V(next) - V over the rollout.",
        question="Are the critic's predictions consistent from step to step?",
        advice="Normalise values, or lower the learning rate.",
        minimum=0.0,
        bands=Bands(warning_above=20.0, critical_above=50.0, inclusive=True),
        good=Good.FALLING,
    ),
]
ValueReturnCorrelation = Annotated[
    float | None,
    Metric(
        id="TELE-220",
        label="V~Return",
        group=Group.VALUE,
        unit="correlation",
        meaning="Pearson's correlation of the critic's predictions and the returns of the rollout; not "
        "measured where either is constant.",
        question="Does the critic at least rank the states correctly?",
        advice="The critic ranks states wrongly: use more epochs or a larger value coefficient.",
        precision=2,
        minimum=-1.0,
        maximum=1.0,
        bands=Bands(critical_below=0.3, warning_below=0.5),
        good=Good.RISING,
    ),
]
ExplainedVarianceFloored = Annotated[
    float | None,
    Metric(
        label="EV floored",
        group=Group.VALUE,
        unit="share",
        meaning="1 - Var(return - value) / max(Var(return), 0.01): explained variance that remains finite "
        "and stable where the returns hardly vary.",
        question="Does the critic explain the returns, where there is something to explain?",
        advice="As for Expl.Var: train the critic for more epochs, or lower the learning rate.",
        maximum=1.0,
        bands=Bands(critical_below=0.0, warning_below=0.3),
        good=Good.RISING,
    ),
]
ValueNrmse = Annotated[
    float | None,
    Metric(
        label="V NRMSE",
        group=Group.VALUE,
        unit="ratio",
        meaning="Root mean square of return - value, divided by the standard deviation of the return: 1 for "
        "a critic that predicts the mean return. Not measured where the variance of returns is below 0.01.",
        question="Is the critic better than a constant?",
        advice="As for Expl.Var: train the critic for more epochs, or lower the learning rate.",
        minimum=0.0,
        bands=Bands(warning_above=1.0),
        good=Good.FALLING,
    ),
]
ReturnVarianceLow = Annotated[
    float | None,
    Metric(
        label="Low Var",
        group=Group.VALUE,
        unit="flag",
        meaning="1 where the variance of the returns is below 0.01, so that explained variance means "
        "little, else 0.",
        question="Is the explained variance meaningful?",
        advice="All environments have nearly the same return: check the reward. Expl.Var means little "
        "while this lasts.",
        precision=0,
        minimum=0.0,
        maximum=1.0,
        bands=Bands(warning_above=0.5),
        good=Good.FALLING,
        over_ranks=Reduction.MAX,
    ),
]
