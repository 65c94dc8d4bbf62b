"""Tests of esper_tui.past.timeline: the seconds of playing at every update."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_tui.past.timeline import Gap, Timeline, timeline_of

TIMES = st.dictionaries(st.integers(0, 10**6), st.floats(0, 1e9), min_size=2, max_size=30)


def test_a_steady_run_plays_at_its_pace():
    """The first known update is at zero; before and after the known ones the usual pace continues."""
    timeline = timeline_of([(10, 105.0), (20, 110.0), (30, 115.0)])

    assert timeline.gaps == ()
    assert timeline.update_s == 0.5
    assert [timeline.seconds_at(update) for update in (10, 25, 30, 40)] == [0.0, 7.5, 10.0, 15.0]
    assert timeline.update_at(7.5) == 25.0


def test_a_run_that_stood_still_plays_on_without_the_gap():
    """A night between two updates takes as long as an update."""
    timeline = timeline_of([(1, 0.0), (2, 1.0), (3, 2.0), (4, 40_000.0), (5, 40_001.0)])

    assert timeline.gaps == (Gap(3, 4, 39_998.0),)
    assert [timeline.seconds_at(update) for update in (3, 4, 5)] == [2.0, 3.0, 4.0]


def test_an_update_that_was_made_again_has_its_later_time():
    """The later branch of a resumed run is the one that holds."""
    timeline = timeline_of([(1, 0.0), (2, 1.0), (3, 2.0), (2, 101.0), (3, 102.0), (4, 103.0)])

    assert [timeline.seconds_at(update) for update in (1, 2, 3, 4)] == [0.0, 1.0, 2.0, 3.0]
    assert [(gap.after, gap.before) for gap in timeline.gaps] == [(1, 2)]


@pytest.mark.parametrize("times", [[], [(7, 3.0)], [(7, 3.0), (8, 3.0)], [(1, 5.0), (2, 4.0)]])
def test_without_two_times_an_update_takes_a_second(times):
    """Nor is a clock that stands still or runs backward a pace."""
    timeline = timeline_of(times)

    assert timeline.update_s == 1.0
    assert timeline.seconds_at(12) - timeline.seconds_at(11) == pytest.approx(1.0)


def test_nothing_known_is_a_line():
    """An empty timeline answers as well."""
    assert Timeline().seconds_at(5) == 5.0
    assert Timeline().update_at(5) == 5.0


@given(TIMES, st.floats(-10, 2e6), st.floats(-10, 2e6))
def test_time_never_runs_backward(times, one, other):
    """A later update is complete later, and more seconds lead to a later update."""
    timeline = timeline_of(times.items())
    sooner, later = sorted((one, other))

    assert timeline.seconds_at(sooner) <= timeline.seconds_at(later) + 1e-6
    least, most = timeline.update_at(sooner), timeline.update_at(later)
    assert least <= most or least == pytest.approx(most)


@given(TIMES)
def test_played_time_is_at_most_that_of_the_run(times):
    """Gaps are shortened, and nothing is made longer."""
    timeline = timeline_of(times.items())

    assert timeline.seconds[-1] <= sum(
        max(times[b] - times[a], 0.0) for a, b in zip(sorted(times), sorted(times)[1:], strict=False)
    ) * (1 + 1e-9)
    assert all(gap.seconds > 2.0 for gap in timeline.gaps)
