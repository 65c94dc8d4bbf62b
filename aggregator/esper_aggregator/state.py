"""What the fold remembers of one run. Only `fold` changes it; its size does not grow with the run."""

from collections import deque
from dataclasses import dataclass, field

from esper_aggregator.symptoms import WATCHLIST, SymptomState, Watchlist
from esper_schemas.events import PPOUpdateCompleted, RolloutCompleted, RunFinished, RunStarted, VitalsSampled
from esper_schemas.heads import HEADS
from esper_schemas.snapshot import AnomalyEntry, DecisionEntry, EventEntry, StageChangeEntry
from esper_schemas.state import HISTORY_LENGTH

KEPT_ANOMALIES = 50
KEPT_DECISIONS = 8
KEPT_EVENTS = 50
KEPT_RETURNS = 50
KEPT_STAGE_CHANGES = 20


def _no_heads() -> dict[str, bool]:
    return dict.fromkeys(HEADS, False)


@dataclass(slots=True)
class ProducerState:
    """One trainer process, by its producer name; a restart of it continues here under a new epoch.

    `next_seq` is the next sequence number to expect, per epoch. `collapse_risk` is kept because it depends
    on its own past, which reaches further back than `ppo_updates`.
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
    rollout: RolloutCompleted | None = None
    ppo_updates: deque[PPOUpdateCompleted] = field(default_factory=lambda: deque(maxlen=HISTORY_LENGTH))
    returns: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_RETURNS))
    nan_latch: dict[str, bool] = field(default_factory=_no_heads)
    inf_latch: dict[str, bool] = field(default_factory=_no_heads)
    collapse_risk: float | None = None
    symptoms: SymptomState = field(default_factory=SymptomState)


@dataclass(slots=True)
class RunState:
    """One run: its producers and what is kept of their events; `watchlist` says what counts as unusual."""

    watchlist: Watchlist = WATCHLIST
    run: str = ""
    events_folded: int = 0
    started_ns: int | None = None
    last_event_ns: int | None = None
    lag_ns: int | None = None
    gaps: int = 0
    duplicates: int = 0
    dropped: int = 0
    rejected: int = 0
    unknown: int = 0
    vitals: VitalsSampled | None = None
    producers: dict[str, ProducerState] = field(default_factory=dict)
    anomalies: deque[AnomalyEntry] = field(default_factory=lambda: deque(maxlen=KEPT_ANOMALIES))
    decisions: deque[DecisionEntry] = field(default_factory=lambda: deque(maxlen=KEPT_DECISIONS))
    stage_changes: deque[StageChangeEntry] = field(default_factory=lambda: deque(maxlen=KEPT_STAGE_CHANGES))
    recent_events: deque[EventEntry] = field(default_factory=lambda: deque(maxlen=KEPT_EVENTS))
