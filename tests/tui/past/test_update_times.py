"""Tests of esper_tui.past.update_times: the time of every update, from two answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tui.list_history import ListHistory

from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import TamiyoState
from esper_tui.charts.curve import Curve
from esper_tui.past.run_history import RunHistory
from esper_tui.past.update_times import OF_EVERY_UPDATE, UpdateTimes, matched

STARTED_S = 1_700_000_000.0


def curve(x, measured):
    """A curve with these buckets."""
    empty = [0.0] * len(x)
    return Curve("kl", x, empty, empty, empty, empty, measured, [0] * len(x))


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=50))
def test_with_a_bucket_for_every_update_all_times_are_known(steps):
    """They are those of the run, whatever its pace."""
    times = [sum(steps[: place + 1]) for place in range(len(steps))]
    updates = [float(place + 1) for place in range(len(steps))]
    ones = [1] * len(steps)

    assert list(matched(curve(updates, ones), curve(times, ones))) == list(zip(updates, times, strict=True))


def test_buckets_of_several_updates_are_matched_by_their_number():
    """Four updates are in the first half of the time, and one is in the second."""
    by_update = curve([1.0, 3.0, 5.0], [2, 2, 1])
    by_time = curve([10.0, 60.0], [4, 1])

    assert list(matched(by_update, by_time)) == [(1, 10.0), (5, 60.0)]
    assert list(matched(by_update, curve([10.0, 30.0, 60.0], [1, 3, 1]))) == [(1, 10.0), (2, 30.0), (5, 60.0)]


@pytest.mark.parametrize("measured", [[], [1, 1], [3, 3]])
def test_answers_that_do_not_belong_together_tell_nothing(measured):
    """The run has grown between them, for example."""
    by_time = curve([float(place) for place in range(len(measured))], measured)

    assert list(matched(curve([1.0, 2.0, 3.0], [1, 1, 1]), by_time)) == []


def test_the_times_are_asked_for_once_and_again_when_the_run_has_grown():
    """Both answers are awaited before anything is known."""
    history = ListHistory({"policy_loss": [0.1] * 30})
    run_history = RunHistory(lambda run: history)
    run_history.show("digits")
    times = UpdateTimes(run_history)
    present = SanctumSnapshot(tamiyo=TamiyoState(policy_loss=0.1))

    for tick in range(5):
        times.want(present, "same", 100.0 + tick)
    assert times.known() == []
    run_history.deliver()
    assert times.known() == [(update, STARTED_S + update) for update in range(30)]
    assert len(history.asked) == 2
    times.want(present, "grown", 200.0)
    assert len(history.asked) == 4


def test_a_run_that_measures_none_of_the_metrics_is_not_asked():
    """The marks are used instead."""
    history = ListHistory({})
    run_history = RunHistory(lambda run: history)
    run_history.show("digits")
    nothing = TamiyoState(**dict.fromkeys(OF_EVERY_UPDATE))
    UpdateTimes(run_history).want(SanctumSnapshot(tamiyo=nothing), 1, 0.0)

    assert history.asked == []
