"""The state of the connection to aggregator and trainer, as one word and a sentence, derived from a feed."""

from dataclasses import dataclass
from enum import StrEnum

from esper_schemas.source import Feed
from esper_tui.text.numbers import age, count, counted, number
from esper_tui.text.spans import Tone, clean
from esper_tui.view.clocks import age_s, recorded_s, since_last_event_s
from esper_tui.view.stall_detection import stall_timeout_s, typical_update_s

SILENT_AFTER_S = 5.0
"""An aggregator or a trainer that has sent nothing for longer counts as disconnected."""


class ConnectionState(StrEnum):
    """How the frame on the screen relates to the present."""

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
    ConnectionState.WAITING: ("○", Tone.LABEL, "Nothing has been measured yet."),
    ConnectionState.LIVE: ("●", Tone.GOOD, "Aggregator and trainer are connected."),
    ConnectionState.STALLED: ("▲", Tone.WARNING, "The trainer is connected, but makes no updates."),
    ConnectionState.STALE: ("◐", Tone.WARNING, "The aggregator is connected, the trainer is silent."),
    ConnectionState.DISCONNECTED: (
        "◇",
        Tone.CRITICAL,
        "The aggregator is silent; the screen is outdated.",
    ),
    ConnectionState.FINISHED: ("■", Tone.VALUE, "The run has made all its updates."),
    ConnectionState.INTERRUPTED: (
        "▮",
        Tone.WARNING,
        "The run was stopped before it had made all its updates.",
    ),
    ConnectionState.FAILED: ("✗", Tone.CRITICAL, "The run ended with an error."),
    ConnectionState.REPLAY: ("◆", Tone.VALUE, "A recorded log, not a running trainer."),
}
"""The symbol and the tone of each state, and its meaning."""

_OUTCOMES = {"failed": ConnectionState.FAILED, "interrupted": ConnectionState.INTERRUPTED}
"""The outcomes with a state of their own; every other one is `FINISHED`."""


@dataclass(frozen=True, slots=True)
class Status:
    """A state, the seconds since the last message (None without one), and a sentence for the user."""

    state: ConnectionState
    silent_s: float | None = None
    sentence: str = ""


def judge_feed(feed: Feed, now_ns: int) -> Status:
    """The status of a feed at a moment. If the source reports a problem, that is the sentence."""
    status = _live_status(feed, now_ns) if feed.live else _replay_status(feed)
    if not feed.problem:
        return status
    return Status(status.state, status.silent_s, clean(feed.problem))


def _replay_status(feed: Feed) -> Status:
    if feed.share_read is not None:
        return Status(ConnectionState.WAITING, None, f"Reading the log: {feed.share_read:.0%}.")
    if not feed.snapshot.events_folded:
        return Status(ConnectionState.REPLAY, None, "The log contains no events.")
    excerpt = clean(feed.snapshot.run.excerpt)
    open_end = f"This is {excerpt}." if excerpt else "The log ends before the end of the run."
    return Status(ConnectionState.REPLAY, None, _outcome(feed) or open_end)


def _live_status(feed: Feed, now_ns: int) -> Status:
    silent_s = _silence_s(feed.received_ns, now_ns)
    outcome = feed.snapshot.run.outcome
    if outcome is not None:
        state = _OUTCOMES.get(outcome, ConnectionState.FINISHED)
        return Status(state, _since_last_event(feed, now_ns), _outcome(feed))
    if silent_s is None:
        return Status(ConnectionState.WAITING, None, _no_aggregator(feed))
    if silent_s > SILENT_AFTER_S:
        return Status(ConnectionState.DISCONNECTED, silent_s, _disconnected(feed, silent_s))
    return _trainer_status(feed, now_ns)


def _trainer_status(feed: Feed, now_ns: int) -> Status:
    silent_s = _trainer_silence_s(feed, now_ns)
    if silent_s is None:
        return Status(ConnectionState.WAITING, None, clean(feed.awaited) or _no_trainer(feed))
    if silent_s > SILENT_AFTER_S:
        return Status(ConnectionState.STALE, silent_s, f"Trainer silent for {age(silent_s)}.")
    if not feed.snapshot.tamiyo.ppo_data_received and not feed.snapshot.scalars:
        return Status(
            ConnectionState.WAITING, silent_s, "The trainer is connected; waiting for its first update."
        )
    return _stall(feed, now_ns) or Status(ConnectionState.LIVE, silent_s)


def _stall(feed: Feed, now_ns: int) -> Status | None:
    """A stalled trainer still sends heartbeats, as another thread sends them; so events are judged here."""
    idle_s, timeout_s = since_last_event_s(feed, now_ns), stall_timeout_s(feed.snapshot)
    if idle_s is None or timeout_s is None or not idle_s > timeout_s:
        return None
    typical = number(typical_update_s(feed.snapshot), 1, 6)
    text = f"No update for {age(idle_s)}; one typically takes {typical}s. Check whether a trainer hangs."
    return Status(ConnectionState.STALLED, idle_s, text)


def _trainer_silence_s(feed: Feed, now_ns: int) -> float | None:
    if feed.trainer_message_ns is None:
        return _since_last_event(feed, now_ns)
    return age_s(feed, feed.trainer_message_ns, now_ns)


def _since_last_event(feed: Feed, now_ns: int) -> float | None:
    return _silence_s(feed.snapshot.run.last_event_ns, now_ns)


def _silence_s(received_ns: int | None, now_ns: int) -> float | None:
    return None if received_ns is None else max(now_ns - received_ns, 0) / 1e9


def _outcome(feed: Feed) -> str:
    run = feed.snapshot.run
    if run.outcome is None:
        return ""
    reason = f": {clean(run.reason).rstrip('.')}" if run.reason else ""
    took_s = recorded_s(run)
    reason = reason if took_s is None else f" in {age(took_s)}{reason}"
    made = feed.snapshot.tamiyo.ppo_updates_count
    if not made and run.last_step is not None:
        return f"Run {clean(run.outcome)} at step {count(run.last_step)}{reason}."
    return f"Run {clean(run.outcome)} after {counted(made, 'update')}{reason}."


def _no_trainer(feed: Feed) -> str:
    if feed.runs and feed.selected not in feed.runs:
        return f"The aggregator has no run {clean(feed.selected)} yet; r lists those that it has."
    return "No trainer yet: start one with `esper ppo`."


def _no_aggregator(feed: Feed) -> str:
    if feed.awaited:
        return clean(feed.awaited)
    where = f" Connecting to {clean(feed.origin)}." if feed.origin else ""
    return f"No aggregator yet: `esper ppo` starts one.{where}"


def _disconnected(feed: Feed, silent_s: float) -> str:
    rest = "showing its last snapshot." if feed.snapshot.events_folded else "nothing was received."
    return f"Aggregator silent for {age(silent_s)}; {rest}"
