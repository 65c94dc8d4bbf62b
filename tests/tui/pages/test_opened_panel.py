"""Tests of esper_tui.pages.opened_panel: the list, the cursor and the details below."""

import pytest
from msgspec import structs

from esper_schemas.findings import Evidence, Finding
from esper_tui.frame import draw
from esper_tui.grid.arrangement import OPENED
from esper_tui.pages.opened_panel import opened_rows
from esper_tui.pages.page_registry import PAGES
from esper_tui.text.spans import plain, row_width
from esper_tui.view.view import View, ViewOptions


def test_help_is_directly_below_the_list(page):
    """One blank row separates the two."""
    lines = page("link", "Gaps").splitlines()
    last = next(number for number, line in enumerate(lines) if line.strip().startswith("Repeated"))

    assert lines[last + 1] == ""
    assert lines[last + 2].strip() == "Gaps"


LONG = Finding(
    rule="x",
    severity="critical",
    title="A finding whose title alone is too long for a row " * 2 + "TITLE-END",
    since_update=12,
    evidence=tuple(Evidence(n, "what was seen is told at some length " * 3 + f"SEEN-{n}") for n in (1, 2)),
    advice=("do this first, and then something else " * 3 + "ADVICE-END",),
)


@pytest.mark.slow
@pytest.mark.parametrize("panel", PAGES)
@pytest.mark.parametrize("feed", ["critical", "healthy", "nan"])
def test_at_80_by_24_no_detail_of_an_entry_is_cut(feeds, now, panel, feed):
    """Every word of an entry's details is on the screen, together with its row."""
    known = feeds[feed].snapshot
    snapshot = structs.replace(known, findings=(*known.findings, LONG) if feed == "critical" else ())
    view = View(structs.replace(feeds[feed], snapshot=snapshot), now)
    for cursor, entry in enumerate(PAGES[panel].entries(view, 77)):
        options = ViewOptions(opened=panel, cursor=cursor)
        (rows,) = [rows for place, rows in draw(view, 80, 24, options) if place.panel == OPENED]
        said = " ".join(plain(row) for row in rows).split()
        words = " ".join(plain(row) for row in entry.details(1000)).split()
        assert {word for word in words if any(map(str.isalpha, word))} <= set(said)
        lines = [plain(row)[1:].rstrip() for row in rows]
        about = [plain(row).rstrip() for row in entry.details(79)]
        assert any(lines[first:][: len(about)] == about for first in range(len(lines)))
        assert any("▸" in plain(row) for row in rows)


@pytest.mark.parametrize("height", range(2, 12))
def test_help_that_is_cut_is_marked(view, height):
    """It ends with an ellipsis, down to a single row."""
    rows = opened_rows(view, "losses", 0, 78, height)
    about = PAGES["losses"].entries(view, 76)[0].details(78)

    assert len(about) >= 11
    assert plain(rows[-1]).endswith(" …")
    assert row_width(rows[-1]) <= 78


@pytest.mark.parametrize("panel", PAGES)
def test_an_opened_panel_stays_within_a_small_window(view, panel):
    """The cursor is visible at every height."""
    for height in (1, 2, 5, 21):
        rows = opened_rows(view, panel, 0, 78, height)
        assert len(rows) <= height
        assert any(plain(row).startswith("▸") for row in rows) or not PAGES[panel].entries(view, 76)
        assert row_width(rows[0]) > 0
