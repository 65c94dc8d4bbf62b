"""Everything a viewer shows, as one immutable value, which is a pure function of the events before it."""

from typing import Literal

import msgspec

from esper_schemas.declarations import HeadSpec, MetricSpec
from esper_schemas.events import (
    Annotated,
    AnomalyDetected,
    CheckpointSaved,
    DecisionMade,
    HeadGradientsCompared,
    LayerGradientsSampled,
    NumericalInstabilityReported,
    RatioExplosionDiagnosed,
    SeedStageChanged,
    TelemetryEscalated,
    VitalsSampled,
)
from esper_schemas.findings import Finding, Symptom, Verdict
from esper_schemas.state import History, TamiyoState

SNAPSHOT_VERSION = 1
"""Incremented if older readers would misread a snapshot, which a new field with a default does not cause."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a snapshot; absent fields take their defaults."""


class RunInfo(_Part, frozen=True):
    """The run, its progress and its results; times in nanoseconds since 1970.

    `rollbacks_total` counts the hosts of all ranks that were rolled back, `returns_not_finite_total` their
    episodes whose return is not finite. `last_step` is the last step that a trainer gave to a logged value,
    `heads` are the policy's own action heads, none for those of Tamiyo. `conventions` tells, for a metric
    with several definitions, which one the trainer's library uses: "k1" for `kl_divergence`, for example.
    `excerpt` describes what the recording leaves out, if it was cut out of that of another run. `paused_ns`
    is the time between the last event before a process and its beginning, for those that resumed.

    Numbers are those of all ranks: counts and speeds are summed, means are weighted by the environments of
    the ranks, and `std_return` is pooled. They are of the newest update that all ranks have collected.
    """

    run: str = ""
    task: str = ""
    started_ns: int | None = None
    last_event_ns: int | None = None
    outcome: str | None = None
    reason: str = ""
    episodes: int | None = None
    environments: int | None = None
    horizon: int | None = None
    seed: int | None = None
    device: str = ""
    host: str = ""
    world_size: int = 1
    clip_range: float | None = None
    baseline_return: float | None = None
    env_steps_total: int | None = None
    steps_per_second: float | None = None
    mean_return: float | None = None
    mean_accuracy: float | None = None
    mean_return_history: History = ()
    rollbacks_total: int | None = None
    returns_not_finite_total: int | None = None
    config: dict[str, str | int | float | bool | None] = {}
    mean_length: float | None = None
    std_return: float | None = None
    last_step: int | None = None
    heads: tuple[HeadSpec, ...] = ()
    conventions: dict[str, str] = {}
    excerpt: str = ""
    paused_ns: int = 0


class ScalarState(_Part, frozen=True):
    """One of the run's own metrics: its last value, when it was logged, and the values before, oldest first.

    `update` is the number of the last update that was made before or with it; `step` is the trainer's.
    """

    value: float | None = None
    update: int = 0
    step: int | None = None
    history: History = ()


class RankState(_Part, frozen=True):
    """One trainer process of the run.

    `updates` counts its updates, those that were made again after a restart once; `last_update` is the number
    of the last one. `median_rollout_ms` is over its last updates, since single rollouts vary.

    From `env_steps_total` on, the fields have what the process itself reported last, before it is merged with
    other ranks. `training_since_ns` and `training_since_update` are when its present process began to train,
    the former None if it has not given its rank; `processes` counts it and those that have trained under its
    name at the same time.
    """

    producer: str
    epoch: int = 0
    rank: int = 0
    host: str = ""
    pid: int | None = None
    events: int = 0
    updates: int = 0
    last_update: int = 0
    last_event_ns: int | None = None
    steps_per_second: float | None = None
    update_time_ms: float | None = None
    median_rollout_ms: float | None = msgspec.field(default=None, name="usual_rollout_ms")
    outcome: str | None = None
    env_steps_total: int | None = None
    mean_return: float | None = None
    policy_loss: float | None = None
    value_loss: float | None = None
    entropy: float | None = None
    kl_divergence: float | None = None
    clip_fraction: float | None = None
    explained_variance: float | None = None
    grad_norm: float | None = None
    training_since_ns: int | None = None
    training_since_update: int = 0
    processes: int = 1


class AnomalyEntry(_Part, frozen=True):
    """An anomaly that a trainer's detector reported, and when."""

    at_ns: int
    producer: str
    anomaly: AnomalyDetected


class StageChangeEntry(_Part, frozen=True):
    """A stage change of a seed in a watched environment, and when."""

    at_ns: int
    producer: str
    change: SeedStageChanged


class DecisionEntry(_Part, frozen=True):
    """What the policy chose in a watched environment, and when."""

    at_ns: int
    producer: str
    decision: DecisionMade


class SlotsState(_Part, frozen=True):
    """Slots of all environments by `Stage` at the end of the last rollout, and recent changes."""

    stage_counts: tuple[int, ...] = ()
    changes: tuple[StageChangeEntry, ...] = ()


class LogEntry(_Part, frozen=True):
    """A warning or an error of a trainer's own log, its fields appended to the message, and when."""

    at_ns: int
    producer: str
    level: str
    message: str


class CheckpointEntry(_Part, frozen=True):
    """A checkpoint that a trainer saved, and when."""

    at_ns: int
    producer: str
    checkpoint: CheckpointSaved


class NoteEntry(_Part, frozen=True):
    """A note that a person wrote, and when; `producer` is what it was written by, not a trainer."""

    at_ns: int
    producer: str
    note: Annotated


class EscalationEntry(_Part, frozen=True):
    """The last escalation of a trainer's telemetry level; `active` until its last update is completed."""

    at_ns: int
    producer: str
    escalation: TelemetryEscalated
    active: bool = False


class RatioExplosionEntry(_Part, frozen=True):
    """The last explosion of one head's ratio, and when."""

    at_ns: int
    producer: str
    explosion: RatioExplosionDiagnosed


class InstabilityEntry(_Part, frozen=True):
    """Values that were not finite, as a trainer reported them, and when."""

    at_ns: int
    producer: str
    report: NumericalInstabilityReported


class InstabilityTotals(_Part, frozen=True):
    """The totals of all reports of the run."""

    reports: int = 0
    nan_count: int = 0
    inf_count: int = 0


class LayerGradientsEntry(_Part, frozen=True):
    """The last gradient norms of the layers, and when."""

    at_ns: int
    producer: str
    sample: LayerGradientsSampled


class HeadGradientsEntry(_Part, frozen=True):
    """The last comparison of the heads' gradients, and when."""

    at_ns: int
    producer: str
    comparison: HeadGradientsCompared


class EpisodesState(_Part, frozen=True):
    """Episodes of all ranks: the count for the whole run, and the last ones of their present processes.

    `returns`, `lengths` and `accuracies` are of the same episodes, in the order of time.
    """

    completed: int = 0
    returns: tuple[float, ...] = ()
    lengths: tuple[int | None, ...] = ()
    accuracies: History = ()


class EventEntry(_Part, frozen=True):
    """One line of the event list."""

    at_ns: int
    producer: str
    kind: str
    text: str = ""


class LinkHealth(_Part, frozen=True):
    """The health of the transport: events that were lost, repeated or rejected.

    `left_out` counts producers, epochs and names beyond the limits of the state. `duplicate_producers` counts
    producer names that more than one running trainer uses. `refused` counts connections that were refused
    since the aggregator started, for all runs: for their key, a missing key, or another protocol.
    """

    events: int = 0
    lag_ms: float | None = None
    gaps: int = 0
    duplicates: int = 0
    dropped: int = 0
    rejected: int = 0
    unknown: int = 0
    left_out: int = 0
    duplicate_producers: int = msgspec.field(default=0, name="rivals")
    refused: int = 0


LossKind = Literal["missing", "dropped", "rejected", "values", "unwritten", "capacity"]
"""Sequence numbers that the log lacks; events that a trainer reported as dropped; bytes that are not a valid
event; values that a trainer left out of its events; updates that a trainer made according to its last event,
after the last one in the log; and producers, names and epochs beyond the limits of the state."""


class Loss(_Part, frozen=True):
    """What a run has lost in one way: how much, in which updates, and which producer lost something first.

    `since_update` is the update in progress when it was noticed first, `last_update` when it was last.
    """

    kind: LossKind
    count: int = 0
    producer: str = ""
    since_update: int = 0
    last_update: int = 0


class SanctumSnapshot(_Part, frozen=True):
    """The state of one run after `events_folded` events, for viewers.

    Lists have the oldest entry first; counts are of the whole run. `telemetry` has one entry per trainer that
    ever escalated, `ratio_explosions` one per head, in the order of the heads. `histories` has every metric
    that was measured in the last updates that all ranks made. `findings` is the result of `diagnose` for the
    other fields; it comes first in JSON. `scalars` has the run's own metrics, merged over the ranks,
    `metric_specs` the descriptions of those that were defined. `verdict` is the result of `verdict_of`, and
    has no data in snapshots of aggregators before 0.2.0.
    `losses` are the ways in which data was lost, `notes` the last notes about the run.
    """

    findings: tuple[Finding, ...] = ()
    version: int = SNAPSHOT_VERSION
    events_folded: int = 0
    run: RunInfo = RunInfo()
    tamiyo: TamiyoState = TamiyoState()
    histories: dict[str, History] = {}
    ranks: tuple[RankState, ...] = ()
    anomalies: tuple[AnomalyEntry, ...] = ()
    anomaly_counts: dict[str, int] = {}
    slots: SlotsState = SlotsState()
    decisions: tuple[DecisionEntry, ...] = ()
    vitals: VitalsSampled | None = None
    recent_events: tuple[EventEntry, ...] = ()
    log: tuple[LogEntry, ...] = ()
    log_counts: dict[str, int] = {}
    checkpoints: tuple[CheckpointEntry, ...] = ()
    telemetry: tuple[EscalationEntry, ...] = ()
    ratio_explosions: tuple[RatioExplosionEntry, ...] = ()
    instabilities: tuple[InstabilityEntry, ...] = ()
    instability_totals: InstabilityTotals = InstabilityTotals()
    layer_gradients: LayerGradientsEntry | None = None
    head_gradients: HeadGradientsEntry | None = None
    episodes: EpisodesState = EpisodesState()
    link: LinkHealth = LinkHealth()
    symptoms: tuple[Symptom, ...] = ()
    scalars: dict[str, ScalarState] = {}
    metric_specs: dict[str, MetricSpec] = {}
    verdict: Verdict = Verdict()
    losses: tuple[Loss, ...] = ()
    notes: tuple[NoteEntry, ...] = ()


EMPTY_SNAPSHOT = SanctumSnapshot()
