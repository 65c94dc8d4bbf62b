"""How far a run is: its updates, the time since its start, and the time that the rest will take."""

from esper_schemas.snapshot import RankState, SanctumSnapshot
from esper_tui.text.numbers import count
from esper_tui.view.clocks import recorded_s, since_last_event_s
from esper_tui.view.stall_detection import typical_update_s
from esper_tui.view.view import View


def updates_text(snapshot: SanctumSnapshot) -> str:
    """The last update, of how many if that is planned; empty before the first one."""
    if not snapshot.tamiyo.ppo_data_received:
        return ""
    planned = snapshot.run.episodes
    of_all = "" if planned is None else f"/{count(planned)}"
    return f"{count(snapshot.tamiyo.last_update)}{of_all}"


def elapsed_s(view: View) -> float | None:
    """Seconds from the start of the run to now, or to its last event if the screen does not show the present;
    None before the start.
    """
    recorded = recorded_s(view.snapshot.run)
    if recorded is None or not view.is_present:
        return recorded
    return recorded + (since_last_event_s(view.feed, view.now_ns) or 0.0)


def remaining_s(view: View) -> float | None:
    """Seconds until all planned updates are made, at the mean pace of the present processes; None if their
    number or the pace is not known, or if the screen does not show the present.
    """
    planned, made = view.snapshot.run.episodes, view.snapshot.tamiyo.last_update
    pace_s = update_pace_s(view.snapshot)
    if planned is None or pace_s is None or made >= planned or not view.is_present:
        return None
    begun_s = min(since_last_event_s(view.feed, view.now_ns) or 0.0, pace_s)
    return (planned - made) * pace_s - begun_s


def update_pace_s(snapshot: SanctumSnapshot) -> float | None:
    """Seconds from one update to the next, of the slowest process: the mean since its first update, or else
    what an update typically takes.
    """
    paces = [pace for rank in snapshot.ranks if (pace := _mean_pace_s(rank)) is not None]
    return max(paces, default=typical_update_s(snapshot))


def _mean_pace_s(rank: RankState) -> float | None:
    """Without the time before the first update, which may have to compile."""
    updates = rank.last_update - rank.training_since_update
    if rank.training_since_ns is None or rank.last_event_ns is None or updates < 1:
        return None
    return max(rank.last_event_ns - rank.training_since_ns, 0) / updates / 1e9
