"""What came of a training, by the true returns of its episodes alone: no rule has a say in it.

A training without a fault is healthy if it learned, in all updates but those in which its return had fallen
for a while. Damage by a fault is what it lost against its healthy twin.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import fmean, median, pstdev
from typing import Literal, NamedTuple

from benchmarks.verdicts.recording_file import Recording

Outcome = Literal["learned", "no signal", "did not learn"]

SOLVED = {
    "CartPole": 475.0,
    "CartPoleNoVelocity": 475.0,
    "Acrobot": -100.0,
    "MountainCar": -110.0,
    "FrozenLake": 0.7,
    "SlipperyLake": 0.7,
    "Taxi": 8.0,
}
"""The mean return from which Gymnasium calls a task solved, where it names one."""

WINDOW = 8
"""The number of updates whose returns are averaged; hardly anything is learned in the first ones."""

RISE = 2.0
"""What is learned is at least this many deviations of the first returns, and `SHARE` of their median, which
the extreme first episodes of some tasks do not change."""

SHARE = 0.1
FALLEN = 0.5
"""A return has fallen if it lost more than this share of what had been learned, and more than it varies."""

NOISE = 3.0
"""What it varies by: this many times the median difference between updates in a row, twice as many for the
return of a single update."""

FALL_MARGIN = 8
"""Around a fall, findings may be about it: the mean of a window lags, and streaks end late."""

FLAT_UPDATES = 8
"""Returns are flat if all episodes of this many updates have the same."""

DAMAGE = 1.0
"""A fault did damage if it costs this many deviations of the twin's returns, `SHARE` of what the twin has
learned, and more than chance."""

CHANCE = 3.0
"""Standard errors of the difference between two means that may be chance."""

_EQUAL = 1e-6
_NORMAL = 1.4826
"""The standard deviation of a normal distribution over its median absolute deviation."""


class Smoothed(NamedTuple):
    """After an update: the mean return of the newest `WINDOW` ones in which episodes ended, and its own."""

    update: int
    mean: float
    newest: float


def known_returns(recording: Recording, first: int, last: int) -> list[float]:
    """The true returns of the updates from `first` to `last` in which episodes ended."""
    chosen = zip(recording.updates, recording.true_returns, strict=True)
    return [value for update, value in chosen if first <= update <= last and value == value]


def outcome_of(recording: Recording) -> Outcome:
    """What came of a training without a fault."""
    returns = known_returns(recording, 1, recording.updates.stop)
    if len(set(returns)) <= 1:
        return "no signal"
    return "learned" if has_learned(recording) else "did not learn"


def has_learned(recording: Recording) -> bool:
    """Whether the last quarter of a training solves its task, or is clearly better than its beginning.

    A policy that does the same in every episode, without solving the task, is stuck.
    """
    quarter = max(1, len(recording.marks) // 4)
    end = recording.updates.stop - 1
    first, last = _first(recording), known_returns(recording, end - quarter, end)
    if not first or not last:
        return False
    reached = fmean(last)
    if reached >= SOLVED.get(recording.task, math.inf):
        return True
    return len(set(last)) > 1 and reached - median(first) >= _clear_rise(first)


def falls(recording: Recording) -> frozenset[int]:
    """The updates in and around which the return had lost half of what had been learned."""
    first = _first(recording)
    if not first:
        return frozenset()
    start, best, fallen = median(first), median(first), set[int]()
    noise, rise = NOISE * _difference(recording), _clear_rise(first)
    for update, mean, newest in _smoothed(recording):
        best = max(best, mean)
        half = FALLEN * (best - start)
        if best - start >= rise and (best - mean > max(half, noise) or best - newest > max(half, 2 * noise)):
            fallen.update(range(update - FALL_MARGIN, update + FALL_MARGIN + 1))
    return frozenset(fallen & set(recording.updates))


def is_flat(recording: Recording, update: int) -> bool:
    """Whether all episodes of the last updates had the same return."""
    return len(set(known_returns(recording, update - FLAT_UPDATES, update))) <= 1


def did_damage(recording: Recording, twin: Recording) -> bool:
    """Whether a training with a fault ended early, or has clearly smaller returns than its healthy twin."""
    if recording.ended:
        return True
    first, last = recording.begins, recording.updates.stop - 1
    middle = first + (last - first) // 3  # the first third shows what was learned before
    faulty, healthy = known_returns(recording, middle, last), known_returns(twin, middle, last)
    if not faulty or not healthy:
        return False
    loss, learned = fmean(healthy) - fmean(faulty), fmean(healthy) - median(_first(twin))
    return loss > max(
        DAMAGE * pstdev(healthy), SHARE * learned, CHANCE * _standard_error(faulty, healthy), _EQUAL
    )


def _standard_error(some: list[float], others: list[float]) -> float:
    """The standard error of the difference between the means of two groups of returns."""
    return math.sqrt(sum(pstdev(group) ** 2 / len(group) for group in (some, others)))


def _first(recording: Recording) -> list[float]:
    """The first `WINDOW` known returns; long episodes end late."""
    return known_returns(recording, 1, recording.updates.stop)[:WINDOW]


def _clear_rise(first: list[float]) -> float:
    """What is clearly better, from the median of the first returns and their deviation from it."""
    middle = median(first)
    deviation = _NORMAL * median(abs(value - middle) for value in first)
    return max(RISE * deviation, SHARE * abs(middle), _EQUAL)


def _difference(recording: Recording) -> float:
    """The median difference between the returns of updates in a row, 0 if there are not two."""
    returns = known_returns(recording, 1, recording.updates.stop)
    return median([abs(after - before) for before, after in pairwise(returns)] or [0.0])


def _smoothed(recording: Recording) -> Iterator[Smoothed]:
    window: list[float] = []
    for update, value in zip(recording.updates, recording.true_returns, strict=True):
        if value == value:
            window = [*window[1 - WINDOW :], value]
            if len(window) == WINDOW:
                yield Smoothed(update, fmean(window), value)
