"""Tests of esper_tui.panels.link_panel."""

import pytest
from msgspec import structs

from esper_schemas.snapshot import (
    LinkHealth,
)
from esper_tui.panels import link_panel
from esper_tui.panels.link_panel import COUNTS
from esper_tui.text.spans import Tone, plain
from esper_tui.view.view import View


@pytest.mark.parametrize(
    ("field", "label"),
    [
        ("gaps", "Gaps"),
        ("dropped", "Dropped"),
        ("rejected", "Rejected"),
        ("unknown", "Unknown"),
        ("left_out", "Left out"),
    ],
)
def test_what_is_lost_is_marked(make_feed, make_snapshot, find, tone_of, now, field, label):
    """A count of zero has a tick."""
    lossy = structs.replace(make_snapshot(), link=LinkHealth(events=9, **{field: 3}))
    row = find(link_panel.link_rows(View(make_feed(lossy), now), 60, 12), label)

    assert tone_of(row, "!") is Tone.WARNING
    assert tone_of(row, "3") is Tone.WARNING
    whole = find(link_panel.link_rows(View(make_feed(), now), 60, 12), label)
    assert tone_of(whole, "✓") is Tone.DIM


def test_the_link_is_current_while_the_screen_is_paused(make_feed, make_snapshot, find, now):
    """Its counts are those of the newest snapshot."""
    newest = make_feed(structs.replace(make_snapshot(), link=LinkHealth(gaps=7)))

    assert "7" in plain(find(link_panel.link_rows(View(make_feed(), now, newest), 60, 12), "Gaps"))


NOT_COUNTED = {"events", "lag_ms"}


def test_every_count_of_the_link_has_a_row():
    """A new field of the link's health needs an entry in the table."""
    counted = [name for name in LinkHealth.__struct_fields__ if name not in NOT_COUNTED]

    assert {count.field for count in COUNTS} == set(counted)


def test_a_recording_has_no_lag(make_feed, find, now):
    """Nothing arrives, and the row says so where there is room."""
    rows = link_panel.link_rows(View(make_feed(live=False), now), 60, 12)

    assert plain(find(rows, "Lag")).split() == ["Lag", "–", "recorded"]
    assert plain(find(rows, "Age")).split()[:3] == ["Age", "–", "◆"]
