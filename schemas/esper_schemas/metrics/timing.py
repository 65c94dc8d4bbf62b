"""The time that rollouts and updates take."""

from typing import Annotated

from esper_schemas.metrics.metric import Good, Group, Metric, Reduction, TelemetryLevel

UpdateTime = Annotated[
    float | None,
    Metric(
        label="Update",
        group=Group.TIMING,
        unit="ms",
        meaning="Wall time of the PPO update.",
        question="Where does the time go?",
        advice="If it rises during a run, look for another program on the same cores, and for a raised "
        "telemetry level.",
        precision=1,
        minimum=0.0,
        good=Good.FALLING,
        over_ranks=Reduction.MAX,
        level=TelemetryLevel.MINIMAL,
    ),
]
RolloutTime = Annotated[
    float | None,
    Metric(
        label="Rollout",
        group=Group.TIMING,
        unit="ms",
        meaning="Wall time of the rollout that the update learned from.",
        question="Where does the time go?",
        advice="If it rises during a run, look for another program on the same cores.",
        precision=1,
        minimum=0.0,
        good=Good.FALLING,
        over_ranks=Reduction.MAX,
        level=TelemetryLevel.MINIMAL,
    ),
]
