"""One panel as large as the screen: everything of its group, and what is known of the row at the cursor."""

from collections.abc import Sequence

from esper_tui import machinery_pages as machinery
from esper_tui import report_pages as reports
from esper_tui.gradient_pages import gradient_entries
from esper_tui.help import LOSSES_METRICS
from esper_tui.metric_pages import heads_page, metrics_page, value_entries
from esper_tui.page import Entry, Page, wrapped
from esper_tui.rows import Rows, Span, Tone, plain, row_width
from esper_tui.tiles import TILES
from esper_tui.view import View

CURSOR = "▸ "

PAGES: dict[str, Page] = {
    "losses": metrics_page((*LOSSES_METRICS, "loss_ratio")),
    "heads": heads_page(),
    "findings": Page(reports.finding_entries),
    "health": metrics_page(TILES["health"].metrics),
    "value": Page(value_entries),
    "gradients": Page(gradient_entries),
    "slots": Page(machinery.slot_entries),
    "anomalies": Page(reports.anomaly_entries),
    "vitals": Page(machinery.vitals_entries),
    "ranks": Page(machinery.rank_entries),
    "link": Page(machinery.link_entries),
    "log": Page(reports.log_entries),
    "events": Page(reports.event_entries),
    "runs": Page(machinery.run_entries),
}
"""Every panel that can be opened, and the list of runs."""


def length(view: View, panel: str, width: int) -> int:
    """How many entries there are for the cursor in a panel of this width."""
    return len(PAGES[panel].entries(view, max(width - len(CURSOR), 0)))


def opened_rows(view: View, panel: str, cursor: int, width: int, height: int) -> Rows:
    """The entries around the cursor above, what is known of the one at the cursor below."""
    page, inner = PAGES[panel], max(width - len(CURSOR), 0)
    entries = page.entries(view, inner)
    cursor = min(max(cursor, 0), max(len(entries) - 1, 0))
    about = _about(entries[cursor], width) if entries else ()
    below = min(len(about), max(height - min(len(entries), height // 2) - 1, 0))
    titles = tuple((Span("  "), *row) for row in page.titles(inner)) if height > below + 3 else ()
    room = max(height - below - bool(below) - len(titles), 0)
    listed = (*titles, *_window(entries, cursor, room))
    return (*listed, *(((), *about[:below]) if below else ()))[: max(height, 0)]


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
