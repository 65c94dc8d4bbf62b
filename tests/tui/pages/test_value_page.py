"""Tests of esper_tui.pages.value_page."""

from msgspec import structs

from esper_tui.pages.value_page import value_entries
from esper_tui.text.spans import plain
from esper_tui.view.view import View


def test_opened_value_shows_the_history_of_the_return(page):
    """It is compared with the WAIT baseline and has its own chart."""
    said = page("value", "Mean return")

    assert "WAIT 0.385" in said
    assert "of 17" in said


def test_the_mean_return_has_its_deviation_if_there_is_one(make_snapshot, make_feed, now):
    """It is the spread of the episodes of all ranks."""
    snapshot = make_snapshot()
    known = structs.replace(snapshot, run=structs.replace(snapshot.run, std_return=0.25))
    rows = [plain(value_entries(View(make_feed(shown), now), 116)[-1].row) for shown in (snapshot, known)]

    assert "±" not in rows[0]
    assert "0.412 ± 0.250" in rows[1]
