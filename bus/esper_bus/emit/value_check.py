"""Checks the events that a training thread has emitted for values that no reader could decode."""

from typing import NamedTuple

from esper_bus.records import Entry, entry_data
from esper_schemas.codec import decode_event
from esper_schemas.event_repair import LeftOut, Repaired, repaired
from esper_schemas.events import Undecodable


class CheckedEntries(NamedTuple):
    """Entries that every reader can decode, the values that they lack, and the kinds of refused events."""

    entries: list[Entry]
    left_out: list[LeftOut]
    refused: list[str]


def checked(entries: list[Entry]) -> CheckedEntries:
    """Return the entries without invalid values, in their order."""
    if Undecodable not in map(type, map(decode_event, map(entry_data, entries))):  # as nearly always
        return CheckedEntries(entries, [], [])
    result = CheckedEntries([], [], [])
    for emitted_ns, data in entries:
        try:
            repair = repaired(data)
        except Exception:  # arbitrary values can raise anything, and must not cost the other events
            repair = Repaired(None)
        result.left_out.extend(repair.left_out)
        if repair.data is not None:
            result.entries.append((emitted_ns, repair.data))
        else:
            result.refused.append(repair.left_out[0].kind if repair.left_out else "unknown")
    return result


def sentence(left_out: LeftOut) -> str:
    """What is wrong with a value, and what to do."""
    return f"{left_out.kind}.{left_out.field} is {left_out.value} and is left out; emit a number."
