"""One panel as large as the screen: everything of its group, and what is known of the row at the cursor."""

from collections.abc import Sequence

from esper_tui.control.navigation import LAST, found, moved
from esper_tui.pages import machinery_pages as machinery
from esper_tui.pages import report_pages as reports
from esper_tui.pages.gradients_page import gradient_entries
from esper_tui.pages.help_page import LOSSES_METRICS
from esper_tui.pages.metric_pages import heads_page, metrics_page, value_entries
from esper_tui.pages.page import Entry, Page, wrapped
from esper_tui.panels.metric_panels import METRIC_PANELS
from esper_tui.text.spans import Row, Rows, Span, Tone, fit, plain, row_width
from esper_tui.view.view import View

CURSOR = "▸ "

PAGES: dict[str, Page] = {
    "losses": metrics_page((*LOSSES_METRICS, "loss_ratio")),
    "heads": heads_page(),
    "findings": Page(reports.finding_entries),
    "health": metrics_page(METRIC_PANELS["health"].metrics),
    "value": Page(value_entries),
    "gradients": Page(gradient_entries),
    "slots": Page(machinery.slot_entries),
    "anomalies": Page(reports.anomaly_entries, newest_last=True),
    "vitals": Page(machinery.vitals_entries),
    "ranks": Page(machinery.rank_entries),
    "link": Page(machinery.link_entries),
    "log": Page(reports.log_entries, newest_last=True),
    "events": Page(reports.event_entries, newest_last=True),
    "runs": Page(machinery.run_entries),
}
"""Every panel that can be opened, and the list of runs."""


def keys(view: View, panel: str, width: int) -> list[object]:
    """What each entry of a panel of this width is known by."""
    return [entry.key for entry in PAGES[panel].entries(view, max(width - len(CURSOR), 0))]


def first_row(panel: str) -> int:
    """Where the cursor stands when a panel is opened: at the newest entry, where there is one."""
    return LAST if PAGES[panel].newest_last else 0


def stepped(cursor: int, held: object, rows: int, panel: str, keys: Sequence[object]) -> tuple[int, object]:
    """The cursor so many rows further, and the key of the entry that it is held at from now on.

    At the newest entry of a list that grows it is held at none, and so goes with the list.
    """
    row = moved(found(cursor, held, keys), rows, len(keys))
    if not PAGES[panel].newest_last:
        return row, None
    return (LAST, None) if row >= len(keys) - 1 else (row, keys[row])


def opened_rows(view: View, panel: str, cursor: int, width: int, height: int, held: object = None) -> Rows:
    """The entries around the cursor above, what is known of the one at the cursor below."""
    page, inner = PAGES[panel], max(width - len(CURSOR), 0)
    entries = page.entries(view, inner)
    cursor = found(cursor, held, [entry.key for entry in entries])
    below = _below(_about(entries[cursor], width), width, height) if entries else ()
    gap = ((),) if below and height > len(below) + 1 else ()
    room = max(height - len(below) - len(gap), 0)
    titles = tuple((Span("  "), *row) for row in page.titles(inner)) if room > 2 else ()
    listed = (*titles, *_window(entries, cursor, room - len(titles)))
    return (*listed, *gap, *below)[: max(height, 0)]


def _below(about: Rows, width: int, height: int) -> Rows:
    """All that is known, where the cursor's row has room above it; else as much as leaves three rows to
    the list, or half of a low window, with "…" behind it.
    """
    about = tuple(row if row_width(row) <= width else _cut(row, width) for row in about)
    if len(about) < height:
        return about
    kept = about[: max(height - 4, height // 2)]
    return (*kept[:-1], _cut(kept[-1], width)) if kept else ()


def _cut(row: Row, width: int) -> Row:
    """A row behind which something is missing."""
    ending = Span(" …", Tone.DIM)
    room = max(width - row_width((ending,)), 0)
    return (*(row if row_width(row) <= room else fit(row, room)), ending)


def _about(entry: Entry, width: int) -> Rows:
    """What it says of itself; a row that is too long is at least repeated."""
    said = entry.about(width)
    too_long = row_width(entry.row) > width - len(CURSOR)
    return said or (wrapped(plain(entry.row), width) if too_long else ())


def _window(entries: Sequence[Entry], cursor: int, height: int) -> Rows:
    """As many entries as fit, the one at the cursor marked and among them."""
    first = min(max(cursor - height // 2, 0), max(len(entries) - height, 0))
    return tuple(
        (Span(CURSOR if number == cursor else "  ", Tone.FOCUS), *entry.row)
        for number, entry in enumerate(entries[first : first + height], first)
    )
