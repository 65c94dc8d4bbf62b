"""Crash points and deliberate bugs that are patched into the classes of one process.

A crash point kills its process without warning when it has been passed the given number of times. A bug
verifies that the checker finds it. The program itself contains neither.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from esper_aggregator.__main__ import main as aggregate
from esper_aggregator.past import history_fold
from esper_aggregator.past.checkpoint_file import CheckpointAppender
from esper_aggregator.recording import Recording
from esper_bus.emit.emit_queue import EmitQueue
from esper_bus.mcap.append_file import AppendFile
from esper_bus.mcap.writer import McapWriter
from esper_bus.net import listeners
from esper_bus.net.server import BusServer
from esper_bus.protocol.receiver import Receiver
from esper_bus.store.spool import SpoolWriter

Method = Callable[..., Any]
Change = Callable[[Method, int], Method]

_LAST_WORDS_S = 0.05
"""Time for a wrong message that was sent before a crash to arrive, so that the checker can see it."""


def _die() -> None:
    time.sleep(_LAST_WORDS_S)
    os.kill(os.getpid(), signal.SIGKILL)


def crash_before(original: Method, count: int) -> Method:
    """Kill the process instead of the call with this number."""

    def method(self: Any, *arguments: Any) -> Any:
        nonlocal count
        count -= 1
        if count <= 0:
            _die()
        return original(self, *arguments)

    return method


def crash_after(original: Method, count: int) -> Method:
    """Kill the process after the call with this number."""

    def method(self: Any, *arguments: Any) -> Any:
        nonlocal count
        result = original(self, *arguments)
        count -= 1
        if count <= 0:
            _die()
        return result

    return method


def crash_in_the_middle(original: Method, count: int) -> Method:
    """Kill the process after half of the bytes of the call with this number are written."""

    def method(self: Any, *parts: bytes) -> Any:
        nonlocal count
        count -= 1
        if count <= 0:
            data = b"".join(parts)
            original(self, data[: len(data) // 2])
            _die()
        return original(self, *parts)

    return method


def skip(original: Method, count: int) -> Method:
    """Leave out the call with this number."""

    def method(self: Any, *arguments: Any) -> Any:
        nonlocal count
        count -= 1
        return None if count == 0 else original(self, *arguments)

    return method


def one_becomes(change: Callable[[Any], list[Any]]) -> Change:
    """Replace the item with this number, counted over all lists that are passed."""

    def sabotage(original: Method, count: int) -> Method:
        def method(self: Any, *arguments: Any) -> Any:
            nonlocal count
            *others, items = arguments
            if 0 < count <= len(items):
                items = [*items[: count - 1], *change(items[count - 1]), *items[count:]]
            count -= len(items)
            return original(self, *others, items)

        return method

    return sabotage


def _altered(record: Any) -> list[Any]:
    return [replace(record, data=record.data + b"\x00")]


def acknowledged_first(original: Method, count: int) -> Method:
    """Acknowledge events as soon as they are received, a moment before they are logged."""

    def method(self: Any, *arguments: Any) -> Any:
        records = original(self, *arguments)
        if records:
            self.acknowledge()
            time.sleep(count / 1000)
        return records

    return method


def told(original: Method, count: int) -> Method:
    """Return the number."""
    return lambda: count


def becomes(original: int, count: int) -> int:
    """Return the number."""
    return count


SETTINGS: dict[str, tuple[Any, str, Callable[[Any, int], Any]]] = {
    "reserved_files": (listeners, "reserved_files", told),
    "events_between_checkpoints": (history_fold, "MOST_EVENTS", becomes),
}
"""Limits of the program that a scenario can change."""

POINTS: dict[str, tuple[Any, str, Change]] = {
    "after_append": (Recording, "extend", crash_after),
    "before_flush": (Recording, "flush", crash_before),
    "after_flush_before_ack": (BusServer, "acknowledge", crash_before),
    "after_ack_before_answer": (Receiver, "mark_flushed", crash_after),
    "mid_write": (AppendFile, "append", crash_in_the_middle),
    "before_checkpoint": (CheckpointAppender, "append", crash_before),
    "mid_checkpoint": (CheckpointAppender, "write", crash_in_the_middle),
    "after_checkpoint": (CheckpointAppender, "append", crash_after),
    "in_emit": (EmitQueue, "put", crash_before),
    "spooled_not_sent": (SpoolWriter, "write", crash_after),
}
"""Points at which a process can be killed: the last two in a trainer, `mid_write` in both kinds."""

BUGS: dict[str, tuple[Any, str, Change]] = {
    "acknowledged before it is logged": (BusServer, "receive", acknowledged_first),
    "one event is not logged": (Recording, "extend", one_becomes(lambda record: [])),
    "one event is logged twice": (Recording, "extend", one_becomes(lambda record: [record, record])),
    "one event is changed": (Recording, "extend", one_becomes(_altered)),
    "one event is dropped and not counted": (EmitQueue, "put", skip),
    "one event is not spooled": (McapWriter, "messages", one_becomes(lambda message: [])),
}
"""Bugs that the checker must find; the last two are in a trainer."""


def sabotage(name: str, count: int) -> None:
    """Patch one of the settings, points or bugs into this process."""
    where, method, change = {**SETTINGS, **POINTS, **BUGS}[name]
    setattr(where, method, change(getattr(where, method), count))


def main() -> int:
    """Run an aggregator with faults: NAME COUNT for each of them, then the aggregator's own options."""
    while not sys.argv[1].startswith("--"):
        sabotage(sys.argv[1], int(sys.argv[2]))
        sys.argv[1:3] = []
    return aggregate()


if __name__ == "__main__":
    sys.exit(main())
