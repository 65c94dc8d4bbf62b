"""The list of recent events: which events it has, and the line of text that a snapshot shows of each."""

from collections import deque
from functools import lru_cache

from esper_aggregator.fold.reports import SHOWN_LOG_LEVELS
from esper_aggregator.fold.run_state import ListedUpdate
from esper_aggregator.fold.size_limits import MAX_NAME_LENGTH, bounded_text
from esper_schemas import events as e
from esper_schemas.codec import kind_of
from esper_schemas.event_text import describe, describe_update
from esper_schemas.snapshot import EventEntry

UNLISTED_KINDS = (
    e.EpisodeCompleted,
    e.DecisionMade,
    e.SeedStageChanged,
    e.VitalsSampled,
    e.ScalarsLogged,
)
"""Kinds so frequent that they would fill the list; a snapshot shows them elsewhere."""


def list_event(entries: deque[EventEntry | ListedUpdate], record: e.Record) -> None:
    """Append the line of an event if it belongs in the list."""
    if not isinstance(record.event, UNLISTED_KINDS) and not _is_minor_log_line(record.event):
        entries.append(_entry(record))


def listed_update(at_ns: int, producer: str, event: e.PPOUpdateCompleted) -> ListedUpdate:
    """Return what the list keeps of an update."""
    payload = event.payload
    return at_ns, producer, event.update, payload.policy_loss, payload.value_loss, payload.kl_divergence


def event_entries(entries: deque[EventEntry | ListedUpdate]) -> tuple[EventEntry, ...]:
    """Return the list as a snapshot shows it, oldest event first."""
    return tuple([entry if isinstance(entry, EventEntry) else _update_entry(*entry) for entry in entries])


def _is_minor_log_line(event: e.DecodedEvent) -> bool:
    return isinstance(event, e.LogRecorded) and event.level not in SHOWN_LOG_LEVELS


def _entry(record: e.Record) -> EventEntry:
    return EventEntry(
        at_ns=record.emitted_ns,
        producer=record.producer,
        kind=bounded_text(kind_of(record.event), MAX_NAME_LENGTH),
        text=bounded_text(describe(record.event)),
    )


@lru_cache(maxsize=1024)  # successive snapshots of a run share most of their entries
def _update_entry(
    at_ns: int,
    producer: str,
    update: int,
    policy_loss: float | None,
    value_loss: float | None,
    kl_divergence: float | None,
) -> EventEntry:
    text = bounded_text(describe_update(update, policy_loss, value_loss, kl_divergence))
    return EventEntry(at_ns=at_ns, producer=producer, kind=e.PPOUpdateCompleted.__name__, text=text)
