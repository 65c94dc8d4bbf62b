"""What an opened panel is made of: entries for the cursor, and what is known of each."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from esper_tui.text.explanation import Explanation, explanation_rows
from esper_tui.text.spans import Row, Rows, Span, Tone, clean
from esper_tui.view.view import View

ALL = 10_000
"""More rows than any list has."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row, what there is to say about it for a width, and in lists that move, what it is known by."""

    row: Row
    about: Callable[[int], Rows] = lambda width: ()
    key: object = None


@dataclass(frozen=True, slots=True)
class Page:
    """What is listed for a width, and the titles above it.

    `newest_last` marks a list that grows below while it is read: it opens at its end.
    """

    entries: Callable[[View, int], Sequence[Entry]]
    titles: Callable[[int], Rows] = lambda width: ()
    newest_last: bool = False


def explanation_entry(row: Row, explanation: Explanation) -> Entry:
    """A row, with its label and its explanation below."""
    title = (Span(row[0].text.strip(), Tone.TITLE),)
    return Entry(row, lambda width: (title, *explanation_rows(explanation, width)))


def wrapped(text: str, width: int, tone: Tone = Tone.PLAIN, *, most: int = ALL) -> Rows:
    """A text in as many rows as it needs; "…" marks that there are more than `most`."""
    lines = textwrap.wrap(clean(text), max(width, 10), max_lines=max(most, 1), placeholder=" …")
    return tuple((Span(line, tone),) for line in lines[: max(most, 0)])
