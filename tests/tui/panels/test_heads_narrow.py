"""Tests of esper_tui.panels.heads_narrow: one row per head, in windows too narrow for a table."""

import pytest

from esper_schemas.payload import HeadMeasures
from esper_tui.panels.heads_narrow import narrow_rows
from esper_tui.text.spans import plain, row_width


def test_a_narrow_window_has_one_row_per_head(make_snapshot, text):
    """All heads are shown, each with its condition."""
    lines = text(narrow_rows(make_snapshot(), 40, 9))

    assert [line.split()[0] for line in lines[1:]] == ["op", "slot", "blueprint", "style", "tempo"] + [
        "α"
    ] * 3
    assert lines[1].split()[1] == "●"


@pytest.mark.parametrize("width", range(14, 61))
def test_a_narrow_window_cuts_no_number(make_snapshot, unhealthy_state, with_finding, width):
    """Names are shortened and columns left out whole; the condition keeps its mark."""
    snapshot = with_finding(make_snapshot(unhealthy_state), "head_op_entropy")
    rows = narrow_rows(snapshot, width, 9)
    titles, op = plain(rows[0]).split(), plain(rows[1])

    assert max(map(row_width, rows)) <= width
    assert op.startswith("op")
    assert "○✗" in op
    assert "0.050✗" in op
    assert titles == ["Entr", "Ratio", "Grad"][: max((width - 12) // 8, 1)]


def test_a_narrow_window_drops_its_titles_before_a_head(make_snapshot, text):
    """Eight rows hold eight heads."""
    lines = text(narrow_rows(make_snapshot(), 40, 8))

    assert len(lines) == 8
    assert lines[0].startswith("op")


def test_a_bar_of_the_entropy_follows_where_there_is_room(make_snapshot, text):
    """It comes after all three numbers."""
    assert "━" not in text(narrow_rows(make_snapshot(), 42, 8))[0]
    assert text(narrow_rows(make_snapshot(), 43, 8))[0].rstrip("─").endswith("━━╸")


def test_before_the_first_update_every_head_is_waiting(feeds, text):
    """No default is shown as a number."""
    lines = text(narrow_rows(feeds["waiting"].snapshot, 40, 8))

    assert [line.split()[-1] for line in lines] == ["waiting"] * 8


def test_many_heads_have_blocks_beside_each_other(make_snapshot, own_state, text):
    """Three blocks of eight, each below its titles, read from top to bottom."""
    lines = text(narrow_rows(make_snapshot(own_state(24)), 118, 9))

    assert len(lines) == 9
    assert lines[0].count("Entr") == 3
    assert [lines[1].split()[0], lines[2].split()[0]] == ["move", "aim"]
    assert "head8" in lines[1]
    assert "head16" in lines[1]
    assert "head23" in lines[8]


def test_heads_without_room_are_counted_and_those_of_findings_are_kept(
    make_snapshot, own_state, with_finding, text
):
    """A finding is about the last of 24 heads, and the last but one is beyond its band; eight rows show both
    and five others.
    """
    stuck = HeadMeasures(entropy=0.001, grad_norm=0.5)
    snapshot = make_snapshot(own_state(24, head22=stuck, head23=stuck))
    found = with_finding(snapshot, "heads/head23/entropy")

    assert [line.split()[0] for line in text(narrow_rows(found, 60, 8))] == [
        *("move", "aim", "fire", "head3", "head4", "head22", "head23"),
        "+17",
    ]
    assert [line.split()[0] for line in text(narrow_rows(found, 60, 2))] == ["head23", "+23"]
