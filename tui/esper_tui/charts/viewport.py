"""The part of a run that charts show, and the cursor in it. Pure: every movement returns another viewport."""

from dataclasses import dataclass, replace

from esper_schemas.history import Axis
from esper_tui.charts.place_axis import PlaceAxis

AXES: tuple[Axis, ...] = ("update", "env_step", "time")
NARROWEST = 2.0
"""The narrowest window, in units of the axis."""

Extent = tuple[float, float]
"""The first and the last place of a run."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """An axis, a window on it, None for the whole run, which follows it, and the place of a cursor."""

    axis: Axis = "update"
    window: Extent | None = None
    cursor: float | None = None

    def shown(self, extent: Extent) -> PlaceAxis:
        """The axis of the charts of a run of this extent."""
        return PlaceAxis(*(self.window or extent), self.axis)

    def over(self, axis: Axis) -> "Viewport":
        """The whole run over another axis."""
        return Viewport(axis)

    def whole(self) -> "Viewport":
        """The whole run, with the cursor where it is."""
        return replace(self, window=None)

    def zoomed(self, factor: float, extent: Extent) -> "Viewport":
        """The window `factor` times as wide around the cursor, or around its middle without one."""
        first, last = self.window or extent
        centre = (first + last) / 2 if self.cursor is None else min(max(self.cursor, first), last)
        width = max((last - first) * factor, NARROWEST)
        share = (centre - first) / (last - first) if last > first else 0.5
        return self._placed(centre - share * width, width, extent)

    def panned(self, share: float, extent: Extent) -> "Viewport":
        """The window moved by a share of its width; the whole run has nowhere to move."""
        if self.window is None:
            return self
        first, last = self.window
        moved = self._placed(first + share * (last - first), last - first, extent)
        return moved._with_visible_cursor()

    def moved(self, cells: int, width: int, extent: Extent) -> "Viewport":
        """The cursor `cells` further on charts of `width` cells; a window moves along at its edge.

        A new cursor starts at the last place.
        """
        first, last = self.window or extent
        if self.cursor is None:
            return replace(self, cursor=last)
        step = max((last - first) / max(width - 1, 1), 0.0 if self.axis == "time" else 1.0)
        return self.at(min(max(self.cursor + cells * step, extent[0]), max(extent)), extent)

    def at(self, place: float, extent: Extent) -> "Viewport":
        """The cursor at a place, and the window moved if that is beyond it."""
        placed = replace(self, cursor=place)
        if self.window is None or self.window[0] <= place <= self.window[1]:
            return placed
        first, last = self.window
        start = place if place < first else place - (last - first)
        return placed._placed(start, last - first, extent)

    def _placed(self, first: float, width: float, extent: Extent) -> "Viewport":
        """A window within the run; one as wide as the run is the whole run."""
        if width >= extent[1] - extent[0]:
            return self.whole()
        start = min(max(first, extent[0]), extent[1] - width)
        return replace(self, window=(start, start + width))

    def _with_visible_cursor(self) -> "Viewport":
        if self.cursor is None or self.window is None:
            return self
        return replace(self, cursor=min(max(self.cursor, self.window[0]), self.window[1]))
