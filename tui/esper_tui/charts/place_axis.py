"""The horizontal axis of a chart: updates, environment steps or time, with ticks at round places."""

import time
from dataclasses import dataclass
from math import ceil, floor, isfinite

from esper_schemas.history import Axis
from esper_tui.charts.value_scale import round_step
from esper_tui.text.numbers import number

AXIS_NAMES: dict[Axis, str] = {"update": "update", "env_step": "env step", "time": "time"}
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_TIME_STEPS = (
    *(1, 2, 5, 10, 20, 30),
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 20, 30)),
    *(hours * _HOUR for hours in (1, 2, 3, 6, 12)),
    *(days * _DAY for days in (1, 2, 7, 14, 28, 91, 365, 3_650, 36_500)),
)


@dataclass(frozen=True, slots=True)
class PlaceAxis:
    """The places at the left and at the right of a chart."""

    first: float
    last: float
    axis: Axis = "update"

    def dot(self, place: float, dots: int) -> int:
        """The column of a place, of `dots` columns; the middle one on an axis of one place."""
        if self.last <= self.first:
            return dots // 2
        return round((place - self.first) / (self.last - self.first) * (dots - 1))

    def place(self, share: float) -> float:
        """The place at a share of the width."""
        return self.first + (self.last - self.first) * share


def place_ticks(axis: PlaceAxis, most: int) -> list[tuple[float, str]]:
    """At most about `most` round places on the axis, each with its label."""
    if not (isfinite(axis.first) and isfinite(axis.last)):
        return []
    if axis.last <= axis.first:
        return [(axis.first, place_label(axis.first, axis.axis))]
    if axis.axis == "time":
        return _time_ticks(axis, max(most, 1))
    step = max(round_step((axis.last - axis.first) / 2, max(most, 1)), 1.0)
    first, last = ceil(axis.first / step - 1e-9), floor(axis.last / step + 1e-9)
    return [(place * step, place_label(place * step, axis.axis)) for place in range(first, last + 1)]


def place_label(place: float, axis: Axis) -> str:
    """A place as text: a number, or the local time of day."""
    return _clock(place, "%H:%M:%S") if axis == "time" else number(place, 0, 7)


def axis_title(axis: PlaceAxis) -> str:
    """The name of the axis; that of a time axis has the date of its start."""
    return _clock(axis.first, "%Y-%m-%d") if axis.axis == "time" else AXIS_NAMES[axis.axis]


def _time_ticks(axis: PlaceAxis, most: int) -> list[tuple[float, str]]:
    """Round local times."""
    spread = axis.last - axis.first
    step = next((step for step in _TIME_STEPS if spread / step <= most), _TIME_STEPS[-1])
    offset = _offset_s(axis.first)
    first, last = ceil((axis.first + offset) / step), floor((axis.last + offset) / step)
    form = "%m-%d" if step >= _DAY else "%H:%M" if step >= _MINUTE else "%H:%M:%S"
    places = [place * step - offset for place in range(first, min(last, first + 2 * most) + 1)]
    return [(place, _clock(place, form)) for place in places]


def _offset_s(at: float) -> int:
    try:
        return time.localtime(at).tm_gmtoff
    except (OverflowError, OSError, ValueError):
        return 0


def _clock(at: float, form: str) -> str:
    """A local time; "?" for one outside the calendar."""
    try:
        return time.strftime(form, time.localtime(at))
    except (OverflowError, OSError, ValueError):
        return "?"
