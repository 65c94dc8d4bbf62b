"""A view of a run with data for every panel, and its opened panels as text."""

import pytest
from msgspec import structs

from esper_schemas.snapshot import LogEntry
from esper_tui.pages.opened_panel import opened_rows
from esper_tui.pages.page_registry import PAGES
from esper_tui.text.spans import plain
from esper_tui.view.view import View


@pytest.fixture
def view(make_feed, make_snapshot, with_reports, now):
    """A view of a run with data for every panel."""
    entry = LogEntry(at_ns=now, producer="host0:0", level="error", message="the disk is full")
    return View(make_feed(structs.replace(with_reports(make_snapshot()), log=(entry,))), now)


@pytest.fixture
def page(view, text):
    """An opened panel with the cursor on the entry whose row begins with a label."""

    def opened(panel, label, width=118, height=60):
        rows = [plain(entry.row).strip() for entry in PAGES[panel].entries(view, width - 2)]
        cursor = next(number for number, row in enumerate(rows) if row.startswith(label))
        return "\n".join(text(opened_rows(view, panel, cursor, width, height)))

    return opened
