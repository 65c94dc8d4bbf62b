"""When the updates of a run were made, as far as that is known, without the times in which it stood still."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import median

GAP_UPDATES = 10
"""A run stood still where this many updates more would have been made at its usual pace."""
LEAST_GAP_S = 2.0
"""A shorter pause is not a gap: a checkpoint may take as long."""
LEAST_PACE_S, UNKNOWN_PACE_S = 1e-6, 1.0
"""The shortest time of an update, and the assumed one where no two times are known."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a run stood still, in seconds, after one update and before a later one."""

    after: int
    before: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Updates, ascending, and the seconds of playing at which each is complete.

    `update_s` is the usual time of an update. At gaps playing takes no longer than that.
    """

    updates: tuple[int, ...] = ()
    seconds: tuple[float, ...] = ()
    gaps: tuple[Gap, ...] = ()
    update_s: float = UNKNOWN_PACE_S

    def seconds_at(self, update: float) -> float:
        """The seconds of playing at which an update is complete."""
        return _interpolated(self.updates, self.seconds, update, self.update_s)

    def update_at(self, seconds: float) -> float:
        """The inverse of `seconds_at`: an update, and the share of the next one that has passed."""
        return _interpolated(self.seconds, self.updates, seconds, 1.0 / self.update_s)


NOTHING_KNOWN = Timeline()
"""The timeline of a run of which no time is known."""


def timeline_of(times: Iterable[tuple[int, float]]) -> Timeline:
    """The timeline through updates and their times in seconds, in any order.

    Of several times of one update the latest holds. A clock that was set back adds no time.
    """
    known = sorted(dict(sorted(times)).items())
    steps = [_Step(before[0], after[0], max(after[1] - before[1], 0.0)) for before, after in pairwise(known)]
    update_s = median([step.update_s for step in steps] or [0.0])
    update_s = update_s if update_s >= LEAST_PACE_S else UNKNOWN_PACE_S
    played = [step.typical_s(update_s) if step.is_gap(update_s) else step.seconds for step in steps]
    return Timeline(
        tuple(update for update, _ in known),
        tuple(accumulate(played, initial=0.0)) if known else (),
        tuple(Gap(step.after, step.before, step.seconds) for step in steps if step.is_gap(update_s)),
        update_s,
    )


@dataclass(frozen=True, slots=True)
class _Step:
    """The way from one known update to the next one, and the seconds that it took."""

    after: int
    before: int
    seconds: float

    @property
    def update_s(self) -> float:
        return self.seconds / (self.before - self.after)

    def typical_s(self, update_s: float) -> float:
        return update_s * (self.before - self.after)

    def is_gap(self, update_s: float) -> bool:
        return self.seconds - self.typical_s(update_s) > max(GAP_UPDATES * update_s, LEAST_GAP_S)


def _interpolated(xs: Sequence[float], ys: Sequence[float], x: float, slope: float) -> float:
    """The value at `x` of the line through points with ascending coordinates, continued with a slope."""
    if not xs:
        return x * slope
    place = bisect_right(xs, x)
    if place == 0:
        return ys[0] + (x - xs[0]) * slope
    if place == len(xs):
        return ys[-1] + (x - xs[-1]) * slope
    (left, right), (low, high) = xs[place - 1 : place + 1], ys[place - 1 : place + 1]
    return low + (high - low) * (x - left) / (right - left)
