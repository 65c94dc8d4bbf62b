"""Tests of esper_tui.past.playhead: movements, marks, playing, and the updates that it will want."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_tui.past.playhead import FASTEST, SLOWEST, Playhead
from esper_tui.past.timeline import timeline_of

RUN = Playhead(first=1, last=100, marks=(5, 12, 12 + 8, 90))
UPDATES = st.integers(-5, 200)


@st.composite
def playheads(draw):
    """Playheads anywhere in runs of any length, with any marks, missing updates and timeline."""
    first = draw(st.integers(0, 50))
    last = first + draw(st.integers(0, 100))
    marks = tuple(sorted(draw(st.sets(st.integers(first, last), max_size=8))))
    times = draw(st.dictionaries(st.integers(first, last), st.floats(0, 1e5), max_size=5))
    made = Playhead(first=first, last=last, marks=marks, timeline=timeline_of(times.items()))
    made = made.at(draw(UPDATES)).at_speed(draw(st.floats(0.1, 2e3)))
    return made.started(0.0) if draw(st.booleans()) else made


MOVES = st.one_of(
    st.tuples(st.just("at"), UPDATES),
    st.tuples(st.just("stepped"), st.sampled_from((1, -1))),
    st.tuples(st.just("at_mark"), st.sampled_from((1, -1))),
    st.tuples(st.just("at_start")),
    st.tuples(st.just("at_end")),
    st.tuples(st.just("found"), UPDATES, UPDATES),
    st.tuples(st.just("advanced"), st.floats(0, 1e6)),
    st.tuples(st.just("started"), st.floats(0, 1e6)),
    st.tuples(st.just("extended"), st.integers(0, 60), st.integers(0, 300)),
)


@given(playheads(), st.lists(MOVES, max_size=20))
def test_no_movement_leaves_the_run(playhead, moves):
    """The position is an update before the last one, or the present."""
    for name, *arguments in moves:
        playhead = getattr(playhead, name)(*arguments)
        assert playhead.position is None or playhead.first <= playhead.position < playhead.last
        assert all(playhead.first <= wish < playhead.last for wish in playhead.wishes())
        assert playhead.position in (None, *playhead.wishes()[:1])


@given(playheads())
def test_a_step_back_and_forward_returns(playhead):
    """This holds except at the first update, which has none before it."""
    if playhead.update > playhead.first:
        assert playhead.stepped(-1).stepped(1).update == playhead.update


def test_steps_go_from_the_present_to_the_first_update():
    """The last update is the present."""
    one_back = RUN.stepped(-1)

    assert one_back.position == 99
    assert one_back.stepped(1).position is None
    assert RUN.stepped(1).position is None
    assert RUN.at(1).stepped(-1).position == 1


@pytest.mark.parametrize(("update", "position"), [(40, 40), (-7, 1), (0, 1), (100, None), (10**9, None)])
def test_beyond_an_end_is_the_end(update, position):
    """Neither end can be passed."""
    assert RUN.at(update).position == position


def test_marks_are_reached_in_order_from_anywhere():
    """After the last mark and before the first one it stays where it is."""
    back = [RUN]
    for _ in range(5):
        back.append(back[-1].at_mark(-1))

    assert [playhead.update for playhead in back] == [100, 90, 20, 12, 5, 5]
    assert RUN.at(13).at_mark(1).position == 20
    assert RUN.at(95).at_mark(1).position == 95
    assert RUN.at_mark(1) == RUN


def test_a_run_of_one_update_is_all_present():
    """There is nowhere to go, and nothing to fetch."""
    run = Playhead(first=7, last=7, marks=(7,))

    for moved in (run.stepped(-1), run.at_start(), run.at(7), run.at_mark(-1), run.started(0.0)):
        assert moved.position is None
        assert moved.wishes() == ()
    assert not run.started(0.0).advanced(1.0).playing


def test_the_present_follows_the_run_and_the_past_stays():
    """A new update moves only a playhead in the present."""
    assert RUN.extended(1, 101).update == 101
    assert RUN.at(40).extended(1, 101).position == 40
    assert RUN.at(40).extended(1, 30).position is None


def test_playing_follows_the_pace_of_the_run():
    """Two updates a second, at double speed four."""
    run = Playhead(first=1, last=100, timeline=timeline_of([(1, 0.0), (99, 49.0)]))
    playing = run.at(10).started(1000.0)

    assert playing.advanced(1003.0).position == 16
    assert playing.at_speed(2.0).advanced(1003.0).position == 22
    assert playing.advanced(1003.0).advanced(1003.4).advanced(1003.5).position == 17


def test_playing_ends_in_the_present():
    """It stops there; started in the present, it begins with the first update."""
    playing = RUN.at(98).started(0.0)

    assert playing.advanced(1.5).position == 99
    assert playing.advanced(2.0).position is None
    assert not playing.advanced(2.0).playing
    assert RUN.started(0.0).position == 1


def test_playing_stops_by_a_step():
    """A viewer who steps wants to look."""
    assert not RUN.at(10).started(0.0).stepped(1).playing
    assert RUN.at(10).started(0.0).stopped().advanced(50.0).position == 10


@given(playheads(), st.lists(st.floats(0, 1e4), min_size=1, max_size=10))
def test_playing_never_goes_back(playhead, times):
    """This holds for any times, also those of a clock that was set back."""
    playing = playhead.started(0.0)
    for now in times:
        later = playing.advanced(now)
        assert later.update >= playing.update
        playing = later


@given(st.floats(allow_nan=False))
def test_the_speed_is_bounded(speed):
    """It is between a quarter and 1,024 times that of the run."""
    assert SLOWEST <= RUN.at_speed(speed).speed <= FASTEST


def test_neighbours_and_marks_are_wanted_after_the_position():
    """Those in the direction of movement come first."""
    assert RUN.at(50).stepped(-1).wishes() == (49, 48, 47, 46, 50, 90, 20)
    assert RUN.at(50).stepped(1).wishes() == (51, 52, 53, 54, 50, 90, 20)
    assert RUN.wishes() == (99, 98, 97, 90)


def test_while_it_plays_the_next_frames_are_wanted():
    """At a high speed updates between two frames are skipped, and the others are wanted early."""
    run = Playhead(first=1, last=1000, timeline=timeline_of([(1, 0.0), (999, 99.8)])).at_speed(16.0)
    playing = run.at(1).started(0.0)

    assert playing.wishes() == (1, 17, 33, 49)
    assert playing.advanced(0.12).position == 17
    assert playing.advanced(0.24).wishes() == (33, 49, 65, 81)
    assert playing.at_speed(1.0).wishes() == (1, 2, 3, 4)


def test_updates_that_the_log_lacks_are_skipped_in_both_directions():
    """The log has 40 and 44, and nothing between them."""
    forward = RUN.at(40).stepped(1)
    for asked in (41, 42, 43):
        assert forward.position == asked
        forward = forward.found(asked, 40)
    assert forward.position == 44
    assert forward.stepped(-1).position == 40
    assert forward.stepped(-1).stepped(1).position == 44
    assert RUN.at(99).at(42).found(42, 40).position == 40
    assert RUN.at(40).stepped(1).found(41, 40, 44).position == 44


def test_ten_thousand_marks():
    """The nearest ones are found among any number."""
    run = Playhead(first=0, last=40_000, marks=tuple(range(0, 40_000, 4)))

    assert run.at(20_001).at_mark(1).position == 20_004
    assert run.at(20_001).at_mark(-1).position == 20_000
