"""Reads tables of comma-separated values: SB3's `progress.csv` and `monitor.csv`, and other tables."""

import csv
import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from esper_lite.importing.column_roles import ColumnRoles, RowTimes, check_mapping, find_roles, step_of
from esper_lite.importing.growing_file import state_of
from esper_lite.importing.growing_lines import INCOMPLETE, GrowingLines, decoded
from esper_lite.importing.mapping import Mapping
from esper_lite.importing.numbers import elapsed_seconds, number, step_number
from esper_lite.importing.rows import Facts, NotRead, Row, clean_name

RAGGED = "rows with another number of cells than the header"
NOT_NUMBERS = "cells that are not numbers"
WITH_NUL = "rows with NUL characters"
NO_STEP = "rows whose step is not a whole number"

_DELIMITERS = ",;\t"
_MONITOR = b"#"
_EPISODE = {"r": "episode_return", "l": "episode_length"}
"""The columns of SB3's `Monitor`; "t" is the time since the start that its first line names."""
_MAX_COLUMNS = 100_000


class CsvReader:
    """The rows of one table. `identity` is that of its first row, since SB3 replaces the header."""

    def __init__(self, path: Path, facts: Facts, not_read: NotRead, mapping: Mapping) -> None:
        self.identity = ""
        self._path, self._facts, self._not_read, self._mapping = path, facts, not_read, mapping
        self._lines = GrowingLines(path, not_read)
        self._head = b""  # all up to the end of the header
        self._before_data = 0  # lines up to there
        self._columns: list[str] = []
        self._delimiter = ","
        self._roles = ColumnRoles("", "")
        self._not_values: frozenset[str] = frozenset()
        self._times = RowTimes()
        self._monitor_start: float | None = None
        self._episode_steps = 0

    def unchanged(self) -> bool:
        """Whether the header is the one that was read. Raises `OSError`."""
        return self._lines.begin_with(self._head)

    def rows(self, *, final: bool) -> Iterator[Row]:
        """The rows that were added since the last call. Raises `OSError`.

        Nothing is returned of a file whose header changes in the meantime: its lines are moving. final:
        nothing will be added any more.
        """
        for lines in self._lines.blocks():
            if not self.unchanged():
                return
            yield from self._parsed(lines)
        last = self._lines.last() if final else b""
        if last and self._is_complete(last):
            yield from self._parsed([last])
        elif last:
            self._not_read.add(INCOMPLETE)

    def _is_complete(self, line: bytes) -> bool:
        return bool(self._columns) and len(self._cells(line)) == len(self._columns)

    def _parsed(self, lines: list[bytes]) -> Iterator[Row]:
        for line in lines:
            cells = self._data_cells(line)
            if not cells:
                continue
            if not self.identity:
                self._begin_data(cells)
            row = self._row(dict(zip(self._columns, cells, strict=True)))
            if row.values:
                yield row

    def _begin_data(self, cells: list[str]) -> None:
        first = sorted((name, cell) for name, cell in zip(self._columns, cells, strict=True) if cell)
        self.identity = blake2b(repr(first).encode(), digest_size=6).hexdigest()
        state = state_of(self._path)
        if self._roles.time and state is not None:
            last = self._cells(self._lines.last_complete())
            last = last if len(last) == len(self._columns) else cells
            self._times.begin(state.modified_ns, last[self._columns.index(self._roles.time)])

    def _data_cells(self, line: bytes) -> list[str]:
        """The cells of a line of data; none for the header and for what cannot be used."""
        self._before_data += not self._columns
        if not line.strip():
            return []
        if b"\0" in line:
            self._not_read.add(WITH_NUL)
            return []
        if not self._columns:
            self._begin(line)
            return []
        cells = self._cells(line)
        if len(cells) != len(self._columns):
            if self._is_header(cells):
                self._set_columns(cells)
            else:
                self._not_read.add(RAGGED)
            return []
        if cells[0] == self._columns[0] and self._is_header(cells):
            self._set_columns(cells)
            return []
        return cells

    def _begin(self, line: bytes) -> None:
        """Read a line before the data: Monitor's own first line, or the header."""
        if line.startswith(_MONITOR):
            self._read_monitor(line[1:])
            return
        text = decoded(line)
        self._delimiter = max(_DELIMITERS, key=text.count)
        self._set_columns(self._cells(line))
        self._head = self._lines.head(self._before_data)

    def _read_monitor(self, line: bytes) -> None:
        try:
            facts = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(facts, dict) and isinstance(start := facts.get("t_start"), int | float):
            self._monitor_start = float(start)
            for name, value in facts.items():
                self._facts.add(name, value)

    def _cells(self, line: bytes) -> list[str]:
        try:
            return next(csv.reader([decoded(line)], delimiter=self._delimiter), [])
        except csv.Error:
            return []

    def _is_header(self, cells: list[str]) -> bool:
        """Whether a row in the middle is a header again: texts only, one of which is a known column."""
        names = [cell for cell in cells if cell]
        return any(cell in self._columns for cell in names) and all(number(cell) is None for cell in names)

    def _set_columns(self, cells: list[str]) -> None:
        check_mapping(cells, self._mapping, self._path.name)
        self._columns = [clean_name(cell.strip()) for cell in cells[:_MAX_COLUMNS]]
        self._roles = find_roles(self._columns, self._mapping)
        self._not_values = self._roles.not_values | self._mapping.drop

    def _row(self, cells: dict[str, str]) -> Row:
        if self._monitor_start is not None and "r" in cells and "l" in cells:
            return self._episode(cells)
        values = self._numbers(cells)
        step = step_of(self._roles, cells)
        if step is None and cells.get(self._roles.step):
            self._not_read.add(NO_STEP, cells[self._roles.step])
        return Row(self._times.time_ns(cells.get(self._roles.time)), step, values)

    def _episode(self, cells: dict[str, str]) -> Row:
        self._episode_steps += step_number(cells["l"]) or 0
        elapsed = elapsed_seconds(cells.pop("t", ""))
        time = None if elapsed is None else int(((self._monitor_start or 0.0) + elapsed) * 1e9)
        values = self._numbers({_EPISODE.get(name, name): cell for name, cell in cells.items()})
        return Row(time, self._episode_steps, values)

    def _numbers(self, cells: dict[str, Any]) -> dict[str, float]:
        """The cells that are numbers, by column."""
        values: dict[str, float] = {}
        for name, cell in cells.items():
            if not cell or not name or name in self._not_values:
                continue
            found = number(cell)
            if found is None:
                self._not_read.add(NOT_NUMBERS, name)
            else:
                values[name] = found
        return values
