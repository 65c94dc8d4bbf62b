"""Reads TensorBoard's event files, of any writer, while they are being written or afterwards."""

import math
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from esper_lite.importing import event_messages
from esper_lite.importing.event_messages import EventMessage, Other
from esper_lite.importing.growing_file import BLOCK_BYTES, open_regular
from esper_lite.importing.record_frames import RecordFrames
from esper_lite.importing.rows import Facts, NotRead, Row
from esper_lite.importing.wire_format import WIRE_ERRORS

INCOMPLETE = "incomplete records at the end"
NOT_EVENTS = "records that are not TensorBoard events"

_TOGETHER_S = 1.0
"""Values of one step whose times differ by more were not logged together."""
_TABLE = "|param|value|"  # how CleanRL logs its arguments, as a text
_MAX_TAGS = 100_000


class EventFileReader:
    """The scalars of one event file. `identity` is empty until a record was read."""

    def __init__(self, path: Path, facts: Facts, not_read: NotRead) -> None:
        self.identity = ""
        self._path, self._facts, self._not_read = path, facts, not_read
        self._frames = RecordFrames(not_read)
        self._offset = 0
        self._plugins: dict[str, str] = {}

    def unchanged(self) -> bool:
        """Whether the file has only grown, as far as its contents show: it is never written anew."""
        return True

    def rows(self, *, final: bool) -> Iterator[Row]:
        """The values that were added since the last call. Raises `OSError`.

        final: nothing will be added any more.
        """
        yield from self._grouped()
        if final and self._frames.waits:
            self._not_read.add(INCOMPLETE)

    def _grouped(self) -> Iterator[Row]:
        """The values of one step that were written one after the other are one row."""
        values: dict[str, float] = {}
        step, begin = 0, 0.0
        for wall_time, event_step, scalars, _ in self._events():
            for tag, value in scalars:
                if values and (event_step != step or tag in values or wall_time - begin > _TOGETHER_S):
                    yield Row(_nanoseconds(begin), step, values)
                    values = {}
                if not values:
                    step, begin = event_step, wall_time
                values[tag] = value
        if values:
            yield Row(_nanoseconds(begin), step, values)

    def _events(self) -> Iterator[EventMessage]:
        for record in self._records():
            try:
                event = event_messages.parse_event(record, self._plugins)
            except WIRE_ERRORS:
                self._not_read.add(NOT_EVENTS)
                continue
            if not self.identity:
                self.identity = blake2b(record, digest_size=6).hexdigest()
            if event.others:
                self._note(event.others)
            yield event

    def _records(self) -> Iterator[bytes]:
        with open_regular(self._path) as file:
            while True:
                if self._frames.to_skip:
                    self._pass_over(file.seek(0, 2))
                file.seek(self._offset)
                block = file.read(BLOCK_BYTES)
                if not block:
                    return
                self._offset += len(block)
                yield from self._frames.feed(block)

    def _pass_over(self, size: int) -> None:
        count = min(self._frames.to_skip, max(0, size - self._offset))
        self._offset += count
        self._frames.skipped(count)

    def _note(self, others: list[Other]) -> None:
        """Take the configuration from values that are not scalars, or count them."""
        if len(self._plugins) > _MAX_TAGS:
            self._plugins.clear()
        for other in others:
            try:
                settings = _settings(other)
            except WIRE_ERRORS:
                settings = {}
            for name, value in settings.items():
                self._facts.add(name, value)
            if not settings and not other.tag.startswith("_hparams_/"):
                self._not_read.add(_kind(other), other.tag)


def _kind(other: Other) -> str:
    known = other.plugin in ("histograms", "images", "audio", "tensors")
    return other.plugin if known else f"values of the TensorBoard plugin {other.plugin!r}"


def _settings(other: Other) -> dict[str, object]:
    if other.tag == event_messages.HPARAMS_TAG:
        return event_messages.hparams(other.content)
    if other.plugin != "text":
        return {}
    table = event_messages.text_of_tensor(other.tensor)
    if not table.startswith(_TABLE):
        return {}
    cells = (line.strip("|").partition("|") for line in table.splitlines()[2:])
    return {name: value for name, _, value in cells if name}


def _nanoseconds(wall_time: float) -> int | None:
    """A time in seconds since 1970 in nanoseconds; None for what cannot be one."""
    return int(wall_time * 1e9) if math.isfinite(wall_time) and 0 < wall_time < 9e9 else None
