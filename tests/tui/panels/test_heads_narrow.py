"""Tests of esper_tui.panels.heads_narrow: one row per head, in windows too narrow for a table."""

import pytest

from esper_schemas.payload import HeadMeasures
from esper_tui.panels.heads_narrow import narrow_rows
from esper_tui.text.spans import plain, row_width


def test_a_narrow_window_has_one_row_per_head(make_state, text):
    """All heads are shown, each with its condition."""
    lines = text(narrow_rows(make_state(), 40, 9))

    assert [line.split()[0] for line in lines[1:]] == ["op", "slot", "blueprint", "style", "tempo"] + [
        "α"
    ] * 3
    assert lines[1].split()[1] == "●"


@pytest.mark.parametrize("width", range(14, 61))
def test_a_narrow_window_cuts_no_number(unhealthy_state, width):
    """Names are shortened and columns left out whole; the condition keeps its mark."""
    rows = narrow_rows(unhealthy_state, width, 9)
    titles, op = plain(rows[0]).split(), plain(rows[1])

    assert max(map(row_width, rows)) <= width
    assert op.startswith("op")
    assert "○✗" in op
    assert "0.050✗" in op
    assert titles == ["Entr", "Ratio", "Grad"][: max((width - 12) // 8, 1)]


def test_a_narrow_window_drops_its_titles_before_a_head(make_state, text):
    """Eight rows hold eight heads."""
    lines = text(narrow_rows(make_state(), 40, 8))

    assert len(lines) == 8
    assert lines[0].startswith("op")


def test_a_bar_of_the_entropy_follows_where_there_is_room(make_state, text):
    """It comes after all three numbers."""
    assert "━" not in text(narrow_rows(make_state(), 42, 8))[0]
    assert text(narrow_rows(make_state(), 43, 8))[0].rstrip("─").endswith("━━╸")


def test_before_the_first_update_every_head_is_waiting(feeds, text):
    """No default is shown as a number."""
    lines = text(narrow_rows(feeds["waiting"].snapshot.tamiyo, 40, 8))

    assert [line.split()[-1] for line in lines] == ["waiting"] * 8


def test_many_heads_have_blocks_beside_each_other(own_state, text):
    """Three blocks of eight, each below its titles, read from top to bottom."""
    lines = text(narrow_rows(own_state(24), 118, 9))

    assert len(lines) == 9
    assert lines[0].count("Entr") == 3
    assert [lines[1].split()[0], lines[2].split()[0]] == ["move", "aim"]
    assert "head8" in lines[1]
    assert "head16" in lines[1]
    assert "head23" in lines[8]


def test_heads_without_room_are_counted_and_those_with_a_problem_are_kept(own_state, text):
    """The last of 24 heads is deterministic; eight rows show it and six others."""
    stuck = HeadMeasures(entropy=0.001, grad_norm=0.5)
    lines = text(narrow_rows(own_state(24, head23=stuck), 60, 8))

    assert [line.split()[0] for line in lines] == [
        *("move", "aim", "fire", "head3", "head4", "head5", "head23"),
        "+17",
    ]
