"""Reads the files of W&B's offline runs (`run-ID.wandb`), of which W&B writes 32 KiB at a time.

The framing is that of LevelDB's log: blocks of 32 KiB, in which a record has a checksum (4 bytes), a length
(2), a type (1) and data; a longer record is divided into fragments.
"""

import struct
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from esper_lite.importing.growing_file import open_regular
from esper_lite.importing.json_lines import flattened, numbers, parsed_object
from esper_lite.importing.numbers import absolute_ns, step_number
from esper_lite.importing.record_frames import WRONG_CHECKSUM
from esper_lite.importing.rows import Facts, NotRead, Row
from esper_lite.importing.wire_format import WIRE_ERRORS, double, fields, message, signed, text

NOT_RECORDS = "records that are not W&B records"
NOT_READ_KINDS = {4: "console output", 13: "console output", 7: "system statistics", 8: "artifacts"}
_HISTORY, _CONFIG, _RUN = 2, 5, 17

_BLOCK = 32 * 1024
_FILE_HEADER = b":W&B\xe1\xbe\x00"
_header_at = struct.Struct("<IHB").unpack_from
_FRAGMENT_HEADER = 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_MAX_RECORD = 16 * 1024 * 1024
_FIRST_VALUE = 4
_STEP_NAMES = ("global_step", "_step")


def is_wandb_file(head: bytes) -> bool:
    """Whether a file begins as those of W&B do."""
    return head.startswith(_FILE_HEADER)


class WandbReader:
    """The history of one run, with its configuration. `identity` is that of its first record."""

    def __init__(self, path: Path, facts: Facts, not_read: NotRead) -> None:
        self.identity = ""
        self._path, self._facts, self._not_read = path, facts, not_read
        self._offset = 0
        self._parts: list[bytes] = []

    def unchanged(self) -> bool:
        """Whether the file has only grown: it is never written anew."""
        return True

    def rows(self, *, final: bool) -> Iterator[Row]:
        """The values that were added since the last call. Raises `OSError`."""
        for record in self._records():
            try:
                row = self._read(record)
            except WIRE_ERRORS:
                self._not_read.add(NOT_RECORDS)
                continue
            if row is not None and row.values:
                yield row

    def _records(self) -> Iterator[bytes]:
        """The records in the blocks that are complete so far, and in the last block."""
        with open_regular(self._path) as file:
            while True:
                start = self._offset - self._offset % _BLOCK
                file.seek(start)
                block = file.read(_BLOCK)
                yield from self._fragments(block, self._offset - start)
                if len(block) < _BLOCK:
                    return
                self._offset = start + _BLOCK

    def _fragments(self, block: bytes, at: int) -> Iterator[bytes]:
        if not self._offset:
            at = len(_FILE_HEADER)
        base = self._offset - self._offset % _BLOCK
        while at + _FRAGMENT_HEADER <= len(block):
            checksum, length, kind = _header_at(block, at)
            end = at + _FRAGMENT_HEADER + length
            if not kind:
                break  # the padding of a block
            if end > len(block):
                if len(block) == _BLOCK:
                    self._not_read.add(WRONG_CHECKSUM)
                break
            data = block[at + _FRAGMENT_HEADER : end]
            if zlib.crc32(data, zlib.crc32(bytes([kind]))) == checksum:
                yield from self._joined(kind, data)
            else:
                self._parts.clear()
                self._not_read.add(WRONG_CHECKSUM)
            at = end
            self._offset = base + at

    def _joined(self, kind: int, data: bytes) -> Iterator[bytes]:
        """The record that is complete with a fragment."""
        if kind in (_FULL, _FIRST):
            self._parts.clear()
        elif not self._parts:
            return  # its first fragment was damaged
        self._parts.append(data)
        if kind in (_FULL, _LAST):
            yield b"".join(self._parts)
            self._parts.clear()
        elif sum(map(len, self._parts)) > _MAX_RECORD:
            self._parts.clear()
            self._not_read.add("records of more than 16 MiB")

    def _read(self, record: bytes) -> Row | None:
        """The row in a record of the history; others are taken as facts or counted."""
        for number, value in fields(record):
            if number == _RUN:
                self._begin(record)
                self._read_run(message(value))
            elif number == _CONFIG:
                self._read_config(message(value))
            elif number == _HISTORY:
                self._begin(record)
                return self._history(message(value))
            elif number in NOT_READ_KINDS:
                self._not_read.add(f"records of {NOT_READ_KINDS[number]}")
        return None

    def _begin(self, record: bytes) -> None:
        self.identity = self.identity or blake2b(record, digest_size=6).hexdigest()

    def _read_run(self, run: bytes) -> None:
        for number, value in fields(run):
            if number == 4:
                self._read_config(message(value))
            elif number in (1, 3, 8):
                self._facts.add({1: "wandb_run", 3: "wandb_project", 8: "wandb_name"}[number], text(value))

    def _read_config(self, config: bytes) -> None:
        for number, item in fields(config):
            if number == 1:
                name, value = _item(message(item))
                if name and not name.startswith("_"):
                    for path, setting in flattened({name: value}, self._not_read).items():
                        self._facts.add(path, setting)

    def _history(self, history: bytes) -> Row:
        items: dict[str, Any] = {}
        own_step = None
        for number, value in fields(history):
            if number == 1:
                name, item = _item(message(value))
                items[name] = item
            elif number == 2:
                own_step = next((signed(part) for field, part in fields(message(value)) if field == 1), 0)
        flat = flattened(items, self._not_read)
        time_ns = absolute_ns(flat.get("_timestamp"))
        steps = (step_number(flat[name]) for name in _STEP_NAMES if name in flat)
        step = next((step for step in steps if step is not None), own_step)
        values = {name: item for name, item in flat.items() if name[:1] != "_" and name != "global_step"}
        return Row(time_ns, step, numbers(values, self._not_read))


def _item(item: bytes) -> tuple[str, Any]:
    """The name and the value of an item of the history or the configuration."""
    name, value = "", None
    nested: list[str] = []
    for number, part in fields(item):
        if number == 1:
            name = text(part)
        elif number == 2:
            nested.append(text(part))
        elif number >= _FIRST_VALUE:
            value = _value(number, part)
    return "/".join(nested) or name, value


def _value(field: int, part: int | bytes) -> Any:
    """A value: a flag, an integer in zigzag form, a double, a text, or JSON."""
    match field:
        case 4 | 5 if isinstance(part, int):
            return bool(part) if field == 4 else (part >> 1) ^ -(part & 1)
        case 6:
            return double(part)
        case 7:
            return text(part)
        case 8 | 16:
            found = parsed_object(b'{"":' + message(part) + b"}")
            return None if found is None else found[""]
    return None
