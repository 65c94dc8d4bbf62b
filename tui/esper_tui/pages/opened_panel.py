"""A panel opened on the whole screen: its entries, and below them the details of the one at the cursor."""

from collections.abc import Sequence
from typing import NamedTuple

from esper_schemas.history import Moment
from esper_tui.control.navigation import LAST, cursor_row, moved
from esper_tui.pages.entry_chart import entry_chart
from esper_tui.pages.page import Entry, entry_keys, wrapped
from esper_tui.pages.page_registry import PAGES
from esper_tui.text.numbers import range_text
from esper_tui.text.spans import Row, Rows, Span, Tone, fit, plain, row_width
from esper_tui.view.view import View

CURSOR = "▸ "


def keys(view: View, panel: str, width: int) -> Sequence[object]:
    """The key of each entry of a panel of this width."""
    return entry_keys(PAGES[panel].entries(view, max(width - len(CURSOR), 0)))


def moment_at(view: View, panel: str, width: int, cursor: int, key: object) -> Moment | None:
    """The moment of the entry at the cursor, in a panel of this width."""
    entries = PAGES[panel].entries(view, max(width - len(CURSOR), 0))
    return entries[cursor_row(cursor, key, entry_keys(entries))].moment if entries else None


def first_row(panel: str) -> int:
    """The row of the cursor when a panel is opened: the newest entry, if the list grows at its end."""
    return LAST if PAGES[panel].newest_last else 0


def moved_cursor(
    cursor: int, key: object, rows: int, panel: str, keys: Sequence[object]
) -> tuple[int, object]:
    """The cursor `rows` further, and the key of the entry that it follows from now on.

    At the newest entry of a growing list it follows none, and so stays at the end; in a list whose entries
    have no keys it stays in its row.
    """
    row = moved(cursor_row(cursor, key, keys), rows, len(keys))
    if not PAGES[panel].newest_last:
        return row, keys[row] if keys else None
    return (LAST, None) if row >= len(keys) - 1 else (row, keys[row])


class Extent(NamedTuple):
    """The entries of a list that are in sight: `shown` of them from `first` on, of `number`, below `titles`
    rows.
    """

    first: int = 0
    shown: int = 0
    number: int = 0
    titles: int = 0

    @property
    def text(self) -> str:
        """Which entries are in sight, as "1-4 of 10"; empty if all of them are."""
        return range_text(self.first, self.shown, self.number)

    def entry_at(self, row: int) -> int | None:
        """The entry on a row of the panel; None for titles, details and blank rows."""
        place = row - self.titles
        return self.first + place if 0 <= place < self.shown else None


def opened_rows(view: View, panel: str, cursor: int, width: int, height: int, key: object = None) -> Rows:
    """The entries around the cursor, and below them the details of the one at the cursor."""
    return opened_list(view, panel, cursor, width, height, key)[0]


def opened_list(
    view: View, panel: str, cursor: int, width: int, height: int, key: object = None
) -> tuple[Rows, Extent]:
    """The rows of an opened panel, and which entries are in sight.

    Free rows have the chart of the entry at the cursor.
    """
    page, inner = PAGES[panel], max(width - len(CURSOR), 0)
    entries = page.entries(view, inner)
    cursor = cursor_row(cursor, key, entry_keys(entries))
    below = _fitting(_details(entries[cursor], width), width, height) if entries else ()
    gap = ((),) if below and height > len(below) + 1 else ()
    room = max(height - len(below) - len(gap), 0)
    titles = tuple((Span("  "), *row) for row in page.titles(view, inner)) if room > 2 else ()
    first, listed = _window(entries, cursor, room - len(titles))
    rows = (*titles, *listed, *gap, *below)[: max(height, 0)]
    if entries:
        rows = (*rows, *entry_chart(view, entries[cursor], width, height - len(rows)))
    return rows, Extent(first, len(listed), len(entries), len(titles))


def _fitting(details: Rows, width: int, height: int) -> Rows:
    """All details, if there is room for the cursor's row above them. Otherwise the list keeps three rows, or
    half of a low window, and the details are cut with "…".
    """
    details = tuple(row if row_width(row) <= width else _cut(row, width) for row in details)
    if len(details) < height:
        return details
    kept = details[: max(height - 4, height // 2)]
    return (*kept[:-1], _cut(kept[-1], width)) if kept else ()


def _cut(row: Row, width: int) -> Row:
    """A row that ends with "…"."""
    ellipsis = Span(" …", Tone.DIM)
    room = max(width - row_width((ellipsis,)), 0)
    return (*(row if row_width(row) <= room else fit(row, room)), ellipsis)


def _details(entry: Entry, width: int) -> Rows:
    """The entry's details; without any, a row that is too long is repeated in full."""
    details = entry.details(width)
    too_long = row_width(entry.row) > width - len(CURSOR)
    return details or (wrapped(plain(entry.row), width) if too_long else ())


def _window(entries: Sequence[Entry], cursor: int, height: int) -> tuple[int, Rows]:
    """As many entries as fit, with the one at the cursor among them and marked, and the first one's place."""
    height = max(height, 0)
    first = min(max(cursor - height // 2, 0), max(len(entries) - height, 0))
    return first, tuple(
        (Span(CURSOR if number == cursor else "  ", Tone.FOCUS), *entry.row)
        for number, entry in enumerate(entries[first : first + height], first)
    )
