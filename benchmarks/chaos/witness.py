"""The acknowledgements of a trainer, in a file that outlives it: the checker compares them with the files.

The trainer's process writes it through a memory map, so that the file has the newest numbers after a kill at
any moment.
"""

import mmap
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from esper_bus.protocol.producer_link import ProducerLink
from esper_bus.store.spool import SpoolWriter

_FORM = struct.Struct("<QQQ")


class Promise(NamedTuple):
    """One epoch of a trainer: its events that the aggregator acknowledged, and those that its spool wrote."""

    epoch: int
    acknowledged: int
    spooled: int


class Witness:
    """Records the highest numbers in the trainer's process; create it before anything else."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(_FORM.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _FORM.size)
        self._notes = [0, 0, 0]
        _afterwards(ProducerLink, "receive", lambda link, _: self._note(1, link.acked))
        _afterwards(SpoolWriter, "write", lambda _, batch: self._note(2, self._notes[2] + len(batch.entries)))

    def emitter(self, epoch: int) -> None:
        """Record the epoch of the emitter."""
        self._note(0, epoch)

    def _note(self, which: int, number: int) -> None:
        if number > self._notes[which]:
            self._notes[which] = number
            struct.pack_into("<Q", self._map, 8 * which, number)


def promise_of(path: Path) -> Promise:
    """The numbers that a witness wrote, also after its process was killed."""
    data = path.read_bytes()
    return Promise(*_FORM.unpack(data)) if len(data) == _FORM.size else Promise(0, 0, 0)


def _afterwards(cls: type, name: str, then: Callable[[Any, Any], object]) -> None:
    """Call `then` with the object and the first argument after each call of a method."""
    original = getattr(cls, name)

    def watched(self: Any, first: Any, *rest: Any) -> Any:
        result = original(self, first, *rest)
        then(self, first)
        return result

    setattr(cls, name, watched)
