"""Tests of esper_tui.panels.time_bar: the line, the playhead, marks and gaps."""

import pytest

from esper_schemas.history import Mark, Place
from esper_tui.panels.time_bar import MARK_SYMBOLS, cell_of, time_bar_height, time_bar_rows
from esper_tui.past.past import Past, RunMarks
from esper_tui.past.playhead import Playhead
from esper_tui.past.timeline import timeline_of
from esper_tui.text.spans import Tone, plain, row_width
from esper_tui.view.view import View

RUN = Playhead(first=1, last=101)


def mark(update, kind="anomaly", severity=None):
    """A mark at an update."""
    return Mark(place=Place(update, update), kind=kind, title=f"{kind} {update}", severity=severity)


@pytest.fixture
def bar(make_feed, now):
    """The rows of a time bar, 109 cells wide, of which 101 are the line."""

    def make(playhead, marks=(), shown=None, width=109, **past):
        place = None if shown is None else Place(shown, shown, now)
        snapshot = None if shown is None else make_feed().snapshot
        view = View(make_feed(), now, past=Past(playhead, snapshot, place, RunMarks(tuple(marks)), **past))
        return time_bar_rows(view, width, 3)

    return make


def line(row):
    """The cells between the first and the last update."""
    return plain(row)[3:-4]


def test_the_playhead_is_at_its_share_of_the_run(bar):
    """A cell is an update here; what lies before it is drawn differently."""
    _, row, _ = bar(RUN.at(41), shown=41)
    cells = plain(row)

    assert cells.startswith(" 1 ━")
    assert cells.rstrip().endswith("─ 101")
    assert cells.index("█") - 3 == 40
    assert {span.tone for span in row if "█" in span.text} == {Tone.WARNING}


def test_in_the_present_the_playhead_is_at_the_end(bar):
    """It has the colour of what is live."""
    words, row, _ = bar(RUN)

    assert "the present" in plain(words)
    assert plain(row).index("█") - 3 == 100
    assert {span.tone for span in row if "█" in span.text} == {Tone.GOOD}


def test_marks_are_below_their_updates(bar):
    """Of several in one cell the most severe is shown."""
    marks = (mark(1, "checkpoint"), mark(11, severity="critical"), mark(11, severity="warning"))
    marks += (
        mark(21, severity="warning"),
        mark(31, "restart"),
        mark(41, "note"),
        mark(51, "rank_lost", "critical"),
    )
    row = plain(bar(RUN, marks)[2])

    assert [row[3 + update - 1] for update in (1, 11, 21, 31, 41, 51)] == ["•", "✗", "!", "↑", "▸", "✗"]


def test_ten_thousand_marks_fit(bar):
    """Every cell has one symbol."""
    row = bar(RUN.extended(1, 10_000), [mark(n, severity="warning") for n in range(1, 10_001)])[2]

    assert set(plain(row).strip()) == {"!"}
    assert row_width(row) == 109


def test_a_gap_is_drawn_where_it_was(bar):
    """The words say how long it was, once the playhead is behind it."""
    timeline = timeline_of([(update, float(update + 3600 * (update > 60))) for update in range(1, 102)])
    words, row, _ = bar(RUN.with_timeline(timeline).at(61), shown=61)
    assert "after a gap of 1h00m" in plain(words)
    _, row, _ = bar(RUN.with_timeline(timeline).at(20), shown=20)
    assert plain(row).index("┊") - 3 == 60


def test_missing_updates_are_dotted(bar):
    """The log lacks those from 41 to 60."""
    _, row, _ = bar(RUN.at(70).found(60, 40), shown=70)

    assert plain(row)[3 + 39 : 3 + 61] == f"━{'·' * 20}━"


def test_the_words_say_where_it_is_and_what_is_marked(bar, now):
    """Update, time and mark are at the left, the next marks at the right."""
    marks = (mark(5), mark(41, severity="critical"), mark(60))
    playhead = RUN.with_marks([5, 41, 60]).at(41).at_speed(16)
    words = plain(bar(playhead, marks, shown=41)[0])

    assert words.startswith(" ▮▮ 16×   update 41   22:13:20   ✗ anomaly 41")
    assert words.rstrip().endswith("< 5   > 60")
    assert plain(bar(playhead.started(0.0), marks, shown=41)[0]).startswith(" ▶ 16×")
    assert "is being fetched" in plain(bar(playhead, marks, shown=5, awaited=True)[0])


@pytest.mark.parametrize("width", [1, 5, 12, 40, 80, 250])
@pytest.mark.parametrize("last", [1, 2, 17, 10**9])
def test_the_bar_fits_every_width(bar, width, last):
    """A run of one update has a line as well."""
    playhead = RUN.extended(1, last).at(last // 2)

    assert {row_width(row) for row in bar(playhead, [mark(1)], shown=1, width=width)} == {width}


def test_low_windows_have_a_lower_bar():
    """The lowest have none."""
    assert [time_bar_height(height) for height in (1, 3, 4, 11, 12, 50)] == [0, 0, 1, 1, 3, 3]


def test_every_kind_of_mark_has_a_symbol():
    """Kinds without a symbol of their own have that of their severity."""
    kinds = {"checkpoint", "restart", "rank_lost", "note"}
    assert set(MARK_SYMBOLS) == kinds | {"critical", "warning", "notice"}


def test_both_ends_are_at_the_ends_of_the_line():
    """Updates beyond them as well."""
    assert [cell_of(RUN, update, 80) for update in (-5, 1, 101, 500)] == [0, 0, 79, 79]
