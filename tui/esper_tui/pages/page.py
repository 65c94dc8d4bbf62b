"""What an opened panel consists of: entries with one row each, and the details of every entry."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

from esper_schemas.history import Moment
from esper_tui.text.explanation import Explanation, explanation_rows
from esper_tui.text.spans import Row, Rows, Span, Tone, clean
from esper_tui.view.view import View

ALL = 10_000
"""More rows than any list has."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row, its details for a width, and in lists that move a key that identifies it.

    `moment` is that of what the row reports, to which the user can go; `metrics` are those of its chart.
    """

    row: Row
    details: Callable[[int], Rows] = lambda width: ()
    key: object = None
    moment: Moment | None = None
    metrics: tuple[str, ...] = ()


class GroupKey(NamedTuple):
    """The key of the heading of a group of entries, which can be expanded and collapsed."""

    kind: str
    name: str = ""


class Entries(Sequence[Entry]):
    """Entries that are made when they are drawn, for lists of which few rows are in sight."""

    def __init__(self, keys: Sequence[object], make: Callable[[Any], Entry]) -> None:
        self.keys = keys
        self._make = make

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, place: int) -> Entry: ...

    @overload
    def __getitem__(self, place: slice) -> list[Entry]: ...

    def __getitem__(self, place: int | slice) -> Entry | list[Entry]:
        if isinstance(place, slice):
            return [self._make(key) for key in self.keys[place]]
        return self._make(self.keys[place])


def entry_keys(entries: Sequence[Entry]) -> Sequence[object]:
    """The key of each entry."""
    return entries.keys if isinstance(entries, Entries) else [entry.key for entry in entries]


@dataclass(frozen=True, slots=True)
class Page:
    """The entries for a width, and the titles above them.

    A page with `newest_last` is a list that grows at its end, and is opened there.
    """

    entries: Callable[[View, int], Sequence[Entry]]
    titles: Callable[[View, int], Rows] = lambda view, width: ()
    newest_last: bool = False


def explained_entry(row: Row, explanation: Explanation) -> Entry:
    """A row whose details are its label and an explanation."""
    title = (Span(row[0].text.strip(), Tone.TITLE),)
    return Entry(row, lambda width: (title, *explanation_rows(explanation, width)))


def wrapped(text: str, width: int, tone: Tone = Tone.PLAIN, *, most: int = ALL) -> Rows:
    """A text in at most `most` rows; a text that is cut ends with "…"."""
    lines = textwrap.wrap(clean(text), max(width, 10), max_lines=max(most, 1), placeholder=" …")
    return tuple((Span(line, tone),) for line in lines[: max(most, 0)])
