"""One log file as a source of rows, which survives that the file is replaced or written anew."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from esper_lite.importing.csv_files import CsvReader
from esper_lite.importing.event_files import EventFileReader
from esper_lite.importing.growing_file import FileState, state_of
from esper_lite.importing.json_lines import JsonLinesReader
from esper_lite.importing.log_files import Format, LogFile
from esper_lite.importing.mapping import Mapping
from esper_lite.importing.rows import Facts, NotRead, Row
from esper_lite.importing.wandb_files import WandbReader

UNREADABLE = "files that cannot be read"


class Reader(Protocol):
    """Reads one file.

    `identity` tells its contents from those of other files, and is empty until it is known.
    """

    identity: str

    def unchanged(self) -> bool:
        """Whether the beginning of the file is what was read. Raises `OSError`."""

    def rows(self, *, final: bool) -> Iterator[Row]:
        """The rows that were added since the last call. Raises `OSError`.

        final: nothing will be added any more.
        """


class Source:
    """A log file. `passed` counts the values that were read since its beginning, `episode_steps` the steps of
    the episodes among them, where it has episodes.

    `rewritten` is how often other contents took the place of what had been recorded.
    """

    def __init__(self, log: LogFile, facts: Facts, not_read: NotRead, mapping: Mapping) -> None:
        self.log = log
        self.passed = self.episode_steps = 0
        self.rewritten = 0
        self._facts, self._not_read, self._mapping = facts, not_read, mapping
        self._reader: Reader | None = None
        self._state: FileState | None = None
        self._latest_ns = 0

    @property
    def path(self) -> Path:
        """The file."""
        return self.log.path

    @property
    def key(self) -> str:
        """What identifies the contents of the file in a run; empty while it has none."""
        return f"{self.identity}.{self.rewritten}" if self.rewritten and self.identity else self.identity

    @property
    def identity(self) -> str:
        """What identifies the beginning of the file; empty while it has none."""
        return self._reader.identity if self._reader else ""

    def rows(self, *, final: bool) -> Iterator[Row]:
        """The rows that were added since the last call, each with a time. Never raises `OSError`.

        A file that was replaced, cut or given another header is read again from its beginning, once it has
        not been written for the time between two calls. final: nothing will be added any more.
        """
        state = state_of(self.path)
        if state is None or (state == self._state and self._reader is not None and not final):
            return
        try:
            if self._is_ready(state, final=final):
                yield from self._read(state, final=final)
        except OSError as error:
            self._not_read.add(UNREADABLE, f"{self.path}: {error.strerror}")

    def begin_again(self) -> None:
        """Read the file from its beginning, as other contents than those that were recorded."""
        self.rewritten += 1
        self.restart()

    def restart(self) -> None:
        """Read the file from its beginning."""
        self._reader, self._state = None, None
        self.passed = self.episode_steps = 0

    def _is_ready(self, state: FileState, *, final: bool) -> bool:
        """Whether the file can be read on; makes a reader for a new file, or for one that was rewritten."""
        if self._reader and state.is_same_file(self._state) and self._reader.unchanged():
            return True
        if self._reader is not None and not final:
            self._reader, self._state = None, state  # it is being written at this moment
            return False
        if self._state not in (None, state) and not final:
            self._state = state
            return False
        self._reader = self._new_reader()
        self.passed = self.episode_steps = 0
        return True

    def _read(self, state: FileState, *, final: bool) -> Iterator[Row]:
        reader, self._state = self._reader, state
        if reader is None:
            return
        for time_ns, step, values in reader.rows(final=final):
            self._latest_ns = time_ns or self._latest_ns or state.modified_ns
            yield Row(self._latest_ns, step, self._mapping.apply(values))
            if self._reader is not reader:
                return

    def _new_reader(self) -> Reader:
        facts, not_read = self._facts, self._not_read
        match self.log.format:
            case Format.EVENTS:
                return EventFileReader(self.path, facts, not_read)
            case Format.WANDB:
                return WandbReader(self.path, facts, not_read)
            case Format.JSON_LINES:
                return JsonLinesReader(self.path, facts, not_read, self._mapping)
            case Format.CSV:
                return CsvReader(self.path, facts, not_read, self._mapping)
