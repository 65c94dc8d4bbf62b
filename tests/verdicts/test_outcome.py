"""What came of a training follows from its returns alone."""

import math

import pytest
from benchmarks.verdicts.outcome import did_damage, falls, has_learned, is_flat, outcome_of
from benchmarks.verdicts.recording_file import Recording


def recording(returns, task="CliffWalking", **facts):
    """A training with one update for each return."""
    return Recording(
        trainer="sb3", task=task, seed=7, marks=[0] * len(returns), true_returns=list(returns), **facts
    )


def test_damage_is_shown_against_the_twin_in_the_same_updates():
    """The returns before the fault, and those right after it, do not count."""
    twin = recording([1.0] * 10 + [9.0, 10.0, 11.0] * 3)

    assert did_damage(recording([10.0, 10.0, 1.0, 1.0, 1.0, 1.0], fault="x", begins=11), twin)
    assert not did_damage(recording([1.0, 10.0, 10.0, 9.0, 10.0, 9.5], fault="x", begins=11), twin)


def test_a_training_that_ended_early_is_damaged():
    """Even if no episode ended in it."""
    crashed = recording([math.nan], fault="NaN reward", begins=3, ended="ValueError")
    assert did_damage(crashed, recording([1.0] * 9))
    assert not did_damage(recording([math.nan], fault="NaN reward", begins=3), recording([1.0] * 9))


def test_a_training_learned_if_its_last_quarter_is_clearly_better_than_its_beginning():
    """By more than the returns of the beginning differ, and by more than a tenth of them."""
    assert has_learned(recording([1.0, 2.0] * 4 + [5.0, 6.0] * 6))
    assert has_learned(recording([-900.0, *[1.0, 2.0] * 4, *[5.0, 6.0] * 6]))
    assert not has_learned(recording([100.0] * 8 + [108.0, 109.0] * 6))


def test_a_policy_that_always_does_the_same_is_stuck():
    """Unless that solves the task."""
    assert not has_learned(recording([-300.0, -250.0] * 4 + [-200.0] * 12, task="Taxi"))
    assert has_learned(recording([0.0, 0.1] * 4 + [1.0] * 12, task="FrozenLake"))
    assert not has_learned(recording([1.0, 2.0] * 10))
    assert not has_learned(recording([math.nan] * 20))


def test_returns_are_flat_while_all_recent_ones_are_the_same():
    """Updates without an episode do not count."""
    assert is_flat(recording([1.0, 0.0, 0.0, math.nan] + [0.0] * 8), 12)
    assert not is_flat(recording([1.0] * 4 + [0.0] * 8), 8)


def test_a_training_that_solves_its_task_learned_though_it_began_well():
    """Where Gymnasium names the return from which a task is solved."""
    assert has_learned(recording([480.0] * 20, task="CartPole"))
    assert not has_learned(recording([480.0] * 20))


@pytest.mark.parametrize(
    ("returns", "outcome"),
    [
        ([1.0, 2.0] * 4 + [5.0, 6.0] * 6, "learned"),
        ([1.0, 2.0] * 10, "did not learn"),
        ([-200.0] * 20, "no signal"),
        ([math.nan] * 20, "no signal"),
    ],
)
def test_a_training_has_one_of_three_outcomes(returns, outcome):
    """Without a fault."""
    assert outcome_of(recording(returns)) == outcome


def test_a_return_has_fallen_while_half_of_what_was_learned_is_lost():
    """With some updates around it, in which findings may be about it."""
    returns = [0.0] * 8 + [10.0] * 20 + [2.0] * 20 + [10.0] * 30
    fallen = falls(recording(returns))

    assert set(range(29, 49)) <= fallen
    assert not fallen & {*range(1, 21), *range(66, 79)}
    assert not falls(recording([0.0] * 8 + [10.0] * 20 + [6.0] * 20))


def test_a_fall_of_a_single_update_is_one():
    """Unless returns vary by half as much anyway."""
    assert 29 in falls(recording([0.0] * 8 + [10.0] * 20 + [1.0] + [10.0] * 30))
    varied = [9.0, 11.0] * 10
    assert not falls(recording([0.0] * 8 + varied + [1.0] + varied))


def test_a_return_that_varies_by_as_much_has_not_fallen():
    """The best of many noisy means is better than any that lasts."""
    noisy = [0.0, 10.0, 1.0, 9.0] * 15
    assert not falls(recording([-1.0, 1.0] * 4 + [10.0, 14.0] * 8 + noisy))
    assert falls(recording([-1.0, 1.0] * 4 + [11.0, 13.0] * 8 + [0.0, 2.0] * 15))


def test_a_return_that_never_rose_cannot_fall():
    """Nor one of which only the beginning is known."""
    assert not falls(recording([1.0, 2.0] * 20 + [-50.0] * 20))
    assert not falls(recording([math.nan] * 20))
