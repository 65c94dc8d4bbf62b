"""How long a trainer may be without an event before it counts as stalled, derived from its own pace."""

from itertools import pairwise
from math import isfinite
from statistics import median

from esper_schemas.events import PPOUpdateCompleted, RunStarted
from esper_schemas.snapshot import SanctumSnapshot

MIN_STALL_TIMEOUT_S = 15.0
"""A checkpoint on a slow disk, or the capture of a new CUDA graph, may delay an update by this much."""
STALL_UPDATES = 5
"""A trainer without an event for longer than this many updates typically take is stalled."""
_STARTED, _UPDATED = RunStarted.__name__, PPOUpdateCompleted.__name__


def stall_timeout_s(snapshot: SanctumSnapshot) -> float | None:
    """Seconds without an event that count as a stall; None if unknown, or if no update is expected."""
    update_s = typical_update_s(snapshot)
    if update_s is None or _is_starting(snapshot) or _has_made_all_updates(snapshot):
        return None
    return max(MIN_STALL_TIMEOUT_S, STALL_UPDATES * update_s)


def typical_update_s(snapshot: SanctumSnapshot) -> float | None:
    """Seconds from one update to the next: as measured by the trainer or as observed, the longer one."""
    known = [s for s in (_measured_s(snapshot), _observed_s(snapshot)) if s is not None]
    return max(known, default=None)


def _measured_s(snapshot: SanctumSnapshot) -> float | None:
    """Rollout and update together; None unless both were measured."""
    update_ms, rollout_ms = snapshot.tamiyo.update_time_ms, snapshot.tamiyo.rollout_time_ms
    if update_ms is None or rollout_ms is None or not isfinite(update_ms + rollout_ms):
        return None
    return (update_ms + rollout_ms) / 1000.0


def _observed_s(snapshot: SanctumSnapshot) -> float | None:
    """The median time between the recent updates of one trainer."""
    updates = [entry for entry in snapshot.recent_events if entry.kind == _UPDATED]
    moments = [entry.at_ns for entry in updates if entry.producer == updates[-1].producer]
    return median(later - sooner for sooner, later in pairwise(moments)) / 1e9 if len(moments) > 1 else None


def _is_starting(snapshot: SanctumSnapshot) -> bool:
    """Whether a trainer has started or resumed and made no update since; the first one may compile."""
    kinds = [entry.kind for entry in snapshot.recent_events if entry.kind in (_STARTED, _UPDATED)]
    return bool(kinds) and kinds[-1] == _STARTED


def _has_made_all_updates(snapshot: SanctumSnapshot) -> bool:
    """Whether all planned updates are done; the last checkpoint may still delay the end of the run."""
    planned = snapshot.run.episodes
    return planned is not None and snapshot.tamiyo.last_update >= planned
