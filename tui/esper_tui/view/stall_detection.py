"""How long a training may tell nothing before it counts as stalled, known from how it went before."""

from itertools import pairwise
from math import isfinite
from statistics import median

from esper_schemas.events import PPOUpdateCompleted, RunStarted
from esper_schemas.snapshot import SanctumSnapshot

MIN_STALL_TIMEOUT_S = 15.0
"""A checkpoint on a slow disk, or a graph that is captured anew, may hold up an update for so long."""
STALL_UPDATES = 5
"""No event for longer than so many updates usually take is a stall."""
_BEGINS, _ADVANCES = RunStarted.__name__, PPOUpdateCompleted.__name__


def stall_timeout_s(snapshot: SanctumSnapshot) -> float | None:
    """For how many seconds no event may come; None where that is unknown, or no update is to come."""
    usual_s = typical_update_s(snapshot)
    if usual_s is None or _is_starting(snapshot) or _has_made_all(snapshot):
        return None
    return max(MIN_STALL_TIMEOUT_S, STALL_UPDATES * usual_s)


def typical_update_s(snapshot: SanctumSnapshot) -> float | None:
    """Seconds from one update to the next: the trainer's own measure or what was seen, the longer one."""
    known = [s for s in (_measured_s(snapshot), _seen_s(snapshot)) if s is not None]
    return max(known, default=None)


def _measured_s(snapshot: SanctumSnapshot) -> float | None:
    """Rollout and update; one without the other says nothing about both."""
    learning_ms, playing_ms = snapshot.tamiyo.update_time_ms, snapshot.tamiyo.rollout_time_ms
    if learning_ms is None or playing_ms is None or not isfinite(learning_ms + playing_ms):
        return None
    return (learning_ms + playing_ms) / 1000.0


def _seen_s(snapshot: SanctumSnapshot) -> float | None:
    """The median between updates that one trainer told lately: any trainer's, whatever it measures."""
    updates = [entry for entry in snapshot.recent_events if entry.kind == _ADVANCES]
    moments = [entry.at_ns for entry in updates if entry.producer == updates[-1].producer]
    return median(later - sooner for sooner, later in pairwise(moments)) / 1e9 if len(moments) > 1 else None


def _is_starting(snapshot: SanctumSnapshot) -> bool:
    """Whether a trainer has begun, or resumed, and made no update since: the first one may compile."""
    turns = [entry.kind for entry in snapshot.recent_events if entry.kind in (_BEGINS, _ADVANCES)]
    return bool(turns) and turns[-1] == _BEGINS


def _has_made_all(snapshot: SanctumSnapshot) -> bool:
    """Whether what was planned is done: the last checkpoint may take its time before the run ends."""
    planned = snapshot.run.episodes
    return planned is not None and snapshot.tamiyo.last_update >= planned
