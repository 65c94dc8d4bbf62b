"""Ages by the clock of the aggregator, which may differ from ours and from that of the trainer."""

from esper_schemas.snapshot import RunInfo
from esper_schemas.source import Feed


def age_s(feed: Feed, at_ns: float, now_ns: int) -> float:
    """Age by the aggregator's clock plus the age of its message by ours: free of skew between hosts."""
    if feed.sent_ns is None or feed.received_ns is None:
        return max(now_ns - at_ns, 0) / 1e9
    return (max(feed.sent_ns - at_ns, 0) + max(now_ns - feed.received_ns, 0)) / 1e9


def since_last_event_s(feed: Feed, now_ns: int) -> float | None:
    """The age of the last event in the log; trainer's clock plus lag is the aggregator's clock."""
    last_ns = feed.snapshot.run.last_event_ns
    if last_ns is None:
        return None
    return age_s(feed, last_ns + (feed.snapshot.link.lag_ms or 0.0) * 1e6, now_ns)


def recorded_s(run: RunInfo) -> float | None:
    """Seconds from the start of a run to its last event, without the time before it was resumed; None before
    the start.
    """
    if run.started_ns is None or run.last_event_ns is None:
        return None
    return max(run.last_event_ns - run.started_ns - run.paused_ns, 0) / 1e9
