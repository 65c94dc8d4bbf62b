"""The times of a run's updates, from its series: one metric over updates, and the same over time."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate

from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.charts.curve import Curve
from esper_tui.past.run_history import RunHistory
from esper_tui.past.series_answers import SeriesAnswers, SeriesWish

POINTS = 2_000
"""The number of times that are asked for; a run of no more updates has the time of each."""
OF_EVERY_UPDATE = ("policy_loss", "value_loss", "kl_divergence", "entropy", "explained_variance")
"""Metrics that trainers measure in every update; the first that a run has is asked for."""


class UpdateTimes:
    """Asks for the times of the updates of the run that is shown."""

    def __init__(self, history: RunHistory) -> None:
        self._by_update = SeriesAnswers(history)
        self._by_time = SeriesAnswers(history)

    def want(self, present: SanctumSnapshot, grown_to: object, now_s: float) -> None:
        """Ask for the times, and again when `grown_to` differs."""
        measured = (name for name in OF_EVERY_UPDATE if getattr(present.tamiyo, name) is not None)
        metric = next(measured, "")
        if metric:
            self._by_update.want(SeriesWish((metric,), points=POINTS), grown_to, now_s)
            self._by_time.want(SeriesWish((metric,), points=POINTS, axis="time"), grown_to, now_s)

    @property
    def answers(self) -> tuple[Mapping[str, Curve], Mapping[str, Curve]]:
        """The curves from which the times are known; others whenever the times may have changed."""
        return self._by_update.curves, self._by_time.curves

    def known(self) -> list[tuple[int, float]]:
        """Updates and their times in seconds since 1970; none before both answers have arrived."""
        by_update, by_time = self.answers
        both = by_update.keys() & by_time.keys()
        return [time for name in both for time in matched(by_update[name], by_time[name])]


def matched(by_update: Curve, by_time: Curve) -> Iterator[tuple[int, float]]:
    """Pair the updates and the times of one metric's values, of which both curves have the same number.

    The values are in the same order over both axes, so that the number of values before a bucket tells its
    update.
    """
    starts = list(accumulate(by_update.measured, initial=0))
    if not by_time.measured or sum(by_time.measured) != starts[-1]:
        return
    for seconds, before in zip(by_time.x, accumulate(by_time.measured, initial=0), strict=False):
        place = min(bisect_right(starts, before) - 1, len(by_update.x) - 1)
        yield int(_update_of(by_update, starts, place, before)), seconds


def _update_of(curve: Curve, starts: list[int], place: int, before: int) -> float:
    """The update of the value with `before` values before it, in the bucket at a place."""
    if place + 1 >= len(curve.x):
        return curve.x[place]
    share = (before - starts[place]) / max(curve.measured[place], 1)
    return curve.x[place] + share * (curve.x[place + 1] - curve.x[place])
