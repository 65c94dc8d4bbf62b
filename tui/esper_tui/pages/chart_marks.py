"""The marks of a run as symbols on the axes of charts."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from esper_schemas.history import AtTime, AtUpdate, Axis, Mark, MarkKind, Moment, Place
from esper_tui.charts.chart import ChartMark
from esper_tui.charts.curve import Curve
from esper_tui.charts.place_axis import PlaceAxis
from esper_tui.text.spans import Tone

SYMBOLS: dict[MarkKind, str] = {
    "finding": "▲",
    "anomaly": "•",
    "checkpoint": "■",
    "restart": "▶",
    "rank_lost": "✗",
    "note": "◆",
}
_SEVERITIES = {"notice": Tone.LABEL, "warning": Tone.WARNING, "critical": Tone.CRITICAL}
_TONES: dict[MarkKind, Tone] = {"checkpoint": Tone.DIM, "note": Tone.GOOD, "rank_lost": Tone.WARNING}
_RANKS = (None, "notice", "warning", "critical")
PLACES = 1_000
"""Of marks that are closer than this share of an axis, the most severe one is drawn."""

STEPS_METRIC = "env_steps_total"
"""The series that tells how many environment steps had been made at an update."""


def place_on(axis: Axis, place: Place, steps: Curve | None = None) -> float | None:
    """Where a place of the log is on an axis; `steps` are the environment steps over updates."""
    if axis == "time":
        return None if place.time_ns is None else place.time_ns / 1e9
    if place.update is None or axis == "update":
        return place.update
    bucket = None if steps is None else bisect_right(steps.x, place.update) - 1
    return None if bucket is None or bucket < 0 or steps is None else steps.last[bucket]


def moment_at(axis: Axis, place: float, steps: Curve | None = None) -> Moment | None:
    """The moment of a place on an axis; None for environment steps of which no update is known."""
    if axis == "time":
        return AtTime(round(place * 1e9))
    if axis == "update":
        return AtUpdate(max(round(place), 0))
    if steps is None or not len(steps.x):
        return None
    bucket = min(bisect_left(steps.last, place), len(steps.x) - 1)
    return AtUpdate(max(round(steps.x[bucket]), 0))


def chart_marks(marks: Iterable[Mark], axis: PlaceAxis, steps: Curve | None = None) -> list[ChartMark]:
    """The marks on an axis, the most severe last, so that it covers others; of those that are very close to
    each other only the most severe one.
    """
    kept: dict[int, tuple[float, Mark]] = {}
    for place, mark in _placed(marks, axis, steps):
        slot = axis.dot(place, PLACES)
        if slot not in kept or _rank(mark) > _rank(kept[slot][1]):
            kept[slot] = place, mark
    ordered = sorted(kept.values(), key=lambda found: _rank(found[1]))
    return [ChartMark(place, SYMBOLS[mark.kind], _tone(mark)) for place, mark in ordered]


def nearest_mark(
    marks: Iterable[Mark], axis: PlaceAxis, at: float, within: float, steps: Curve | None = None
) -> Mark | None:
    """The most severe mark within a distance of a place."""
    near = [mark for place, mark in _placed(marks, axis, steps) if abs(place - at) <= within]
    return max(near, key=_rank, default=None)


def _placed(marks: Iterable[Mark], axis: PlaceAxis, steps: Curve | None) -> Iterator[tuple[float, Mark]]:
    for mark in marks:
        place = place_on(axis.axis, mark.place, steps)
        if place is not None and axis.first <= place <= axis.last:
            yield place, mark


def _rank(mark: Mark) -> int:
    return _RANKS.index(mark.severity)


def _tone(mark: Mark) -> Tone:
    return _TONES.get(mark.kind, Tone.LABEL) if mark.severity is None else _SEVERITIES[mark.severity]
