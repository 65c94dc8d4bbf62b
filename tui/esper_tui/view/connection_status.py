"""Whether what is on the screen is happening now: from what a source knows to one word and a sentence."""

from dataclasses import dataclass
from enum import StrEnum

from esper_schemas.source import Feed
from esper_tui.text.numbers import age, counted, number
from esper_tui.text.spans import Tone, clean
from esper_tui.view.stall_detection import stall_timeout_s, typical_update_s

SILENT_AFTER_S = 5.0
"""An aggregator or a trainer that has said nothing for longer counts as gone."""


class ConnectionState(StrEnum):
    """How the picture on the screen relates to the present."""

    WAITING = "waiting"
    LIVE = "live"
    STALLED = "stalled"
    STALE = "stale"
    DISCONNECTED = "disconnected"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    REPLAY = "replay"


SYMBOLS: dict[ConnectionState, tuple[str, Tone, str]] = {
    ConnectionState.WAITING: ("○", Tone.LABEL, "Nothing was measured yet."),
    ConnectionState.LIVE: ("●", Tone.GOOD, "Aggregator and trainer are there."),
    ConnectionState.STALLED: ("▲", Tone.WARNING, "The trainer is there, but makes no updates any more."),
    ConnectionState.STALE: ("◐", Tone.WARNING, "The aggregator is there, the trainer has fallen silent."),
    ConnectionState.DISCONNECTED: (
        "◇",
        Tone.CRITICAL,
        "The aggregator has fallen silent; the picture is old.",
    ),
    ConnectionState.FINISHED: ("■", Tone.VALUE, "The run has made all its updates."),
    ConnectionState.INTERRUPTED: ("▮", Tone.WARNING, "The run was ended before it had made all its updates."),
    ConnectionState.FAILED: ("✗", Tone.CRITICAL, "The run has ended with an error."),
    ConnectionState.REPLAY: ("◆", Tone.VALUE, "A recorded log, not a running trainer."),
}
"""The symbol and tone of each state, and what it means."""

_ENDINGS = {"failed": ConnectionState.FAILED, "interrupted": ConnectionState.INTERRUPTED}
"""Outcomes that are told apart; any other one is `FINISHED`."""


@dataclass(frozen=True, slots=True)
class Status:
    """A state, for how many seconds nothing was heard (None for never), and what to say about it."""

    state: ConnectionState
    silent_s: float | None = None
    sentence: str = ""


def judge_feed(feed: Feed, now_ns: int) -> Status:
    """Say how a feed stands at a moment. The source's own problem, if it has one, is the sentence."""
    status = _live_status(feed, now_ns) if feed.live else _replay_status(feed)
    if not feed.problem:
        return status
    return Status(status.state, status.silent_s, clean(feed.problem))


def _replay_status(feed: Feed) -> Status:
    if not feed.snapshot.events_folded:
        return Status(ConnectionState.REPLAY, None, "The log holds no event.")
    return Status(ConnectionState.REPLAY, None, _outcome(feed) or "The log ends before the run does.")


def _live_status(feed: Feed, now_ns: int) -> Status:
    silent_s = _silence_s(feed.heard_ns, now_ns)
    outcome = feed.snapshot.run.outcome
    if outcome is not None:
        ending = _ENDINGS.get(outcome, ConnectionState.FINISHED)
        return Status(ending, _since_last_event(feed, now_ns), _outcome(feed))
    if silent_s is None:
        return Status(ConnectionState.WAITING, None, _no_aggregator(feed))
    if silent_s > SILENT_AFTER_S:
        return Status(ConnectionState.DISCONNECTED, silent_s, _disconnected(feed, silent_s))
    return _trainer_status(feed, now_ns)


def _trainer_status(feed: Feed, now_ns: int) -> Status:
    silent_s = _trainer_silence_s(feed, now_ns)
    if silent_s is None:
        missing = "No trainer yet: start one with `esper ppo`."
        return Status(ConnectionState.WAITING, None, clean(feed.awaited) or missing)
    if silent_s > SILENT_AFTER_S:
        return Status(ConnectionState.STALE, silent_s, f"No sign of the trainer for {age(silent_s)}.")
    if not feed.snapshot.tamiyo.ppo_data_received:
        return Status(ConnectionState.WAITING, silent_s, "The trainer is there; its first update is not.")
    return _stall(feed, now_ns) or Status(ConnectionState.LIVE, silent_s)


def _stall(feed: Feed, now_ns: int) -> Status | None:
    """A trainer that hangs is heard all the same: what speaks for it does not train. So events are judged."""
    idle_s, patience = _idle_s(feed, now_ns), stall_timeout_s(feed.snapshot)
    if idle_s is None or patience is None or not idle_s > patience:
        return None
    usual = number(typical_update_s(feed.snapshot), 1, 6)
    said = f"No update for {age(idle_s)}, usually one takes {usual}s; look whether a trainer's process hangs."
    return Status(ConnectionState.STALLED, idle_s, said)


def _idle_s(feed: Feed, now_ns: int) -> float | None:
    """How long ago the last event reached the log: its trainer's clock and the lag make the aggregator's."""
    last_ns = feed.snapshot.run.last_event_ns
    if last_ns is None:
        return None
    return _age_s(feed, last_ns + (feed.snapshot.link.lag_ms or 0.0) * 1e6, now_ns)


def _trainer_silence_s(feed: Feed, now_ns: int) -> float | None:
    if feed.trainer_heard_ns is None:
        return _since_last_event(feed, now_ns)
    return _age_s(feed, feed.trainer_heard_ns, now_ns)


def _age_s(feed: Feed, at_ns: float, now_ns: int) -> float:
    """Age by the aggregator's clock, plus the age of its answer by ours: no skew between hosts."""
    if feed.sent_ns is None or feed.heard_ns is None:
        return max(now_ns - at_ns, 0) / 1e9
    return (max(feed.sent_ns - at_ns, 0) + max(now_ns - feed.heard_ns, 0)) / 1e9


def _since_last_event(feed: Feed, now_ns: int) -> float | None:
    return _silence_s(feed.snapshot.run.last_event_ns, now_ns)


def _silence_s(heard_ns: int | None, now_ns: int) -> float | None:
    return None if heard_ns is None else max(now_ns - heard_ns, 0) / 1e9


def _outcome(feed: Feed) -> str:
    run = feed.snapshot.run
    if run.outcome is None:
        return ""
    reason = f": {clean(run.reason).rstrip('.')}" if run.reason else ""
    updates = counted(feed.snapshot.tamiyo.ppo_updates_count, "update")
    return f"Run {clean(run.outcome)} after {updates}{reason}."


def _no_aggregator(feed: Feed) -> str:
    if feed.awaited:
        return clean(feed.awaited)
    where = f" Looking at {clean(feed.origin)}." if feed.origin else ""
    return f"No aggregator yet: `esper ppo` starts one.{where}"


def _disconnected(feed: Feed, silent_s: float) -> str:
    rest = "this is its last picture." if feed.snapshot.events_folded else "nothing was received."
    return f"No sign of the aggregator for {age(silent_s)}; {rest}"
