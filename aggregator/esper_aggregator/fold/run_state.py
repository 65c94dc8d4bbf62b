"""The state that a run folds to. Its size is limited; only the modules of the fold change it."""

from collections import deque
from dataclasses import dataclass, field
from typing import TypeAlias

from esper_schemas.declarations import HeadSpec, MetricSpec, RunThresholds
from esper_schemas.events import (
    EpisodeCompleted,
    PPOUpdateCompleted,
    RolloutCompleted,
    RunFinished,
    RunStarted,
    VitalsSampled,
)
from esper_schemas.heads import HEADS
from esper_schemas.moving_average import MovingAverage
from esper_schemas.rules.streaks import Streaks
from esper_schemas.rules.symptoms import SymptomState, Watchlist, watchlist_of
from esper_schemas.snapshot import (
    AnomalyEntry,
    CheckpointEntry,
    DecisionEntry,
    EscalationEntry,
    EventEntry,
    HeadGradientsEntry,
    InstabilityEntry,
    InstabilityTotals,
    LayerGradientsEntry,
    LogEntry,
    Loss,
    LossKind,
    NoteEntry,
    RatioExplosionEntry,
    ScalarState,
    StageChangeEntry,
)
from esper_schemas.state import HISTORY_LENGTH

KEPT_ANOMALIES = 50
KEPT_CHECKPOINTS = 5
KEPT_DECISIONS = 8
KEPT_EPISODES = 64
KEPT_EPOCHS = 256
"""Epochs of one producer whose next sequence numbers are remembered: the newest ones."""
KEPT_EVENTS = 50
KEPT_INSTABILITIES = 20
KEPT_LOG_ENTRIES = 20
KEPT_NOTES = 50
KEPT_PRODUCERS = 1024
KEPT_RETURNS = 50
KEPT_ROLLOUTS = HISTORY_LENGTH
KEPT_STAGE_CHANGES = 20
KEPT_EPISODES_OF_UPDATE = 4096
"""Episodes of one update whose mean is its return: the newest ones."""

TimedEpisode: TypeAlias = tuple[int, EpisodeCompleted]
"""When an episode was emitted, and the episode."""

ListedUpdate: TypeAlias = tuple[int, str, int, float | None, float | None, float | None]
"""When and by which producer an update was emitted, its number, policy loss, value loss and KL divergence.

Its line of text is made when a snapshot shows it.
"""


def _no_heads() -> dict[str, bool]:
    return dict.fromkeys(HEADS, False)


@dataclass(slots=True)
class OpenStep:
    """What one step has logged so far for one update, rollout or episode, by the names of the catalogue.

    `at_ns` is the time of the last call. `makes_update` is true once a value shows that an update was made.
    """

    step: int | None = None
    values: dict[str, float] = field(default_factory=dict)
    at_ns: int = 0
    makes_update: bool = False


@dataclass(slots=True)
class LoggedState:
    """What is remembered of values that a trainer logs under its own names.

    `closed_step` is the step of the last update that is complete, `last_step` that of the last call.
    `episode_returns` and `episode_lengths` are of the episodes since the last update. `resumed_from` is the
    update after which the next one is numbered, if that is not the last one.
    """

    update: OpenStep | None = None
    rollout: OpenStep | None = None
    episode: OpenStep | None = None
    closed_step: int | None = None
    last_step: int | None = None
    resumed_from: int | None = None
    episode_returns: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_EPISODES_OF_UPDATE))
    episode_lengths: deque[int] = field(default_factory=lambda: deque(maxlen=KEPT_EPISODES_OF_UPDATE))
    conventions: dict[str, str] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether a step is open that changes the state when it is closed."""
        return bool((self.update and self.update.makes_update) or self.rollout or self.episode)


@dataclass(slots=True)
class ProducerState:
    """One trainer process, by its producer name; after a restart it continues here under a new epoch.

    `next_seq` has the next expected sequence number of each epoch. `collapse_risk` and `average_grad_norm`
    depend on updates older than `ppo_updates`.

    `ppo_updates`, `rollouts` and `returns` (pairs of update and mean return) hold what led to the newest
    update, also across a restart that resumed there. `first_update` and `first_rollout` mark that the next
    one is the first of the present process; it decides what is kept. `episodes` are of the present process.

    `training_since_ns` and `training_until_ns` are the times of the first and the last event of the present
    process about its training, `training_since_update` is its first update. `earlier_spans` has these two
    times of earlier processes, by their epochs.

    `heads` are the run's own heads, declared ones first, then those that were only measured.

    `scalars` are its own metrics; `scalar_streaks` are about those that have bounds, `scalars_left_out` tells
    that there were too many names. `notes` counts the events that are notes.
    """

    producer: str
    epoch: int = 0
    next_seq: dict[int, int] = field(default_factory=dict)
    events: int = 0
    updates: int = 0
    last_update: int = 0
    last_event_ns: int | None = None
    started: RunStarted | None = None
    finished: RunFinished | None = None
    training_since_ns: int | None = None
    training_until_ns: int = 0
    training_since_update: int = 0
    earlier_spans: dict[int, tuple[int, int]] = field(default_factory=dict)
    vitals: VitalsSampled | None = None
    ppo_updates: deque[PPOUpdateCompleted] = field(default_factory=lambda: deque(maxlen=HISTORY_LENGTH))
    rollouts: deque[RolloutCompleted] = field(default_factory=lambda: deque(maxlen=KEPT_ROLLOUTS))
    returns: deque[tuple[int, float | None]] = field(default_factory=lambda: deque(maxlen=KEPT_RETURNS))
    first_update: bool = False
    first_rollout: bool = False
    rollbacks: int | None = None
    returns_not_finite: int | None = None
    episodes_completed: int = 0
    episodes: deque[TimedEpisode] = field(default_factory=lambda: deque(maxlen=KEPT_EPISODES))
    escalation: EscalationEntry | None = None
    layer_gradients: LayerGradientsEntry | None = None
    head_gradients: HeadGradientsEntry | None = None
    nan_latch: dict[str, bool] = field(default_factory=_no_heads)
    inf_latch: dict[str, bool] = field(default_factory=_no_heads)
    collapse_risk: float | None = None
    gradient_drift: float | None = None
    average_grad_norm: MovingAverage = field(default_factory=MovingAverage)
    symptoms: SymptomState = field(default_factory=SymptomState)
    heads: dict[str, HeadSpec] = field(default_factory=dict)
    logged: LoggedState = field(default_factory=LoggedState)
    scalars: dict[str, ScalarState] = field(default_factory=dict)
    scalar_streaks: dict[str, Streaks] = field(default_factory=dict)
    scalars_left_out: bool = False
    notes: int = 0

    @property
    def is_trainer(self) -> bool:
        """Whether it has emitted anything but notes."""
        return self.notes < self.events

    @property
    def rollout(self) -> RolloutCompleted | None:
        """The last rollout."""
        return self.rollouts[-1] if self.rollouts else None

    @property
    def rank(self) -> int:
        """The rank that the process has given, or else 0."""
        return self.started.rank if self.started else 0


@dataclass(slots=True)
class RunState:
    """One run: its producers and what is kept of their events.

    `thresholds` are those that the run gives, `given` those that a viewer gives in their place. `paused_ns`
    is the time between the last event before a process and the beginning of that process, if it resumed.
    """

    given: RunThresholds | None = None
    thresholds: RunThresholds = field(default_factory=RunThresholds)
    run: str = ""
    events_folded: int = 0
    started_ns: int | None = None
    last_event_ns: int | None = None
    paused_ns: int = 0
    lag_ns: int | None = None
    gaps: int = 0
    duplicates: int = 0
    dropped: int = 0
    rejected: int = 0
    unknown: int = 0
    left_out: int = 0
    losses: dict[LossKind, Loss] = field(default_factory=dict)
    producers: dict[str, ProducerState] = field(default_factory=dict)
    metric_specs: dict[str, MetricSpec] = field(default_factory=dict)
    anomalies: deque[AnomalyEntry] = field(default_factory=lambda: deque(maxlen=KEPT_ANOMALIES))
    anomaly_counts: dict[str, int] = field(default_factory=dict)
    decisions: deque[DecisionEntry] = field(default_factory=lambda: deque(maxlen=KEPT_DECISIONS))
    stage_changes: deque[StageChangeEntry] = field(default_factory=lambda: deque(maxlen=KEPT_STAGE_CHANGES))
    log: deque[LogEntry] = field(default_factory=lambda: deque(maxlen=KEPT_LOG_ENTRIES))
    log_counts: dict[str, int] = field(default_factory=dict)
    checkpoints: deque[CheckpointEntry] = field(default_factory=lambda: deque(maxlen=KEPT_CHECKPOINTS))
    ratio_explosions: dict[str, RatioExplosionEntry] = field(default_factory=dict)
    instabilities: deque[InstabilityEntry] = field(default_factory=lambda: deque(maxlen=KEPT_INSTABILITIES))
    notes: deque[NoteEntry] = field(default_factory=lambda: deque(maxlen=KEPT_NOTES))
    instability_totals: InstabilityTotals = field(default_factory=InstabilityTotals)
    recent_events: deque[EventEntry | ListedUpdate] = field(default_factory=lambda: deque(maxlen=KEPT_EVENTS))

    @property
    def bounds(self) -> RunThresholds:
        """The thresholds that apply."""
        return self.thresholds if self.given is None else self.given

    @property
    def watchlist(self) -> Watchlist:
        """The watches with the thresholds that apply."""
        return watchlist_of(self.bounds)
