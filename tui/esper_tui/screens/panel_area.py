"""The widgets of the main screen: one per panel, placed by the arrangement and redrawn when they are due."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from rich.style import Style
from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.charts.curve import Curve
from esper_tui.control.redraw_schedule import AGE_INTERVAL_S, is_due
from esper_tui.frame import BARS, ScreenPlan, draw_place, is_old, screen_plan
from esper_tui.grid.arrangement import OPENED, Place
from esper_tui.panels.charts_panel import SHOWING_CURVES
from esper_tui.panels.panel_registry import PANELS
from esper_tui.screens.panel_widget import PanelWidget
from esper_tui.text.spans import Tone
from esper_tui.view.view import View, ViewOptions


class PanelLayout(Layout):
    """Passes the places of `esper_tui.grid.arrangement` to Textual."""

    name = "panels"

    def __init__(self) -> None:
        self.plan = ScreenPlan()

    def arrange(
        self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True
    ) -> ArrangeResult:
        """Place every panel that has a place at this size; the others are not shown."""
        panels = {child.id: child for child in children}
        return [
            WidgetPlacement(
                Region(place.x, place.y, place.width, place.height),
                NULL_OFFSET,
                NULL_SPACING,
                panels[place.panel],
            )
            for place in self.plan.places(size.width, size.height)
        ]


@dataclass(frozen=True, slots=True)
class Drawn:
    """The snapshot and the curves that a panel shows, and when it was drawn."""

    snapshot: SanctumSnapshot
    curves: Mapping[str, Curve]
    at: float


class PanelArea:
    """Header, panels and footer, or one opened panel between header and footer."""

    def __init__(self) -> None:
        self.layout = PanelLayout()
        self.widgets = {name: PanelWidget(name) for name in (*BARS, *PANELS, OPENED)}
        self._drawn: dict[str, Drawn] = {}
        self._drawn_for: tuple[object, ...] = ()
        self._planned_for: tuple[SanctumSnapshot | None, ViewOptions] = (None, ViewOptions())
        self.plan = ScreenPlan()

    def paint(self, styles: dict[Tone, Style]) -> None:
        """Use other styles from now on."""
        for widget in self.widgets.values():
            widget.paint(styles)

    def show(self, view: View, width: int, height: int, options: ViewOptions) -> int:
        """Draw a view and return how many rows changed.

        After a change of size, options or connection, and after a step in time, everything is drawn.
        Otherwise a panel is drawn when it is due and its snapshot is new, or when it shows ages.
        """
        plan, old = self.plan_for(view, options), is_old(view)
        places = plan.places(width, height)
        drawn_for = (places, old, options, view.newest is None, _still_place(view))
        if self._drawn_for != drawn_for:
            self._drawn_for = drawn_for
            self._drawn.clear()
            self._rearrange(plan)
        now = time.monotonic()
        return sum(self._draw(view, place, old, options, now) for place in places)

    def plan_for(self, view: View, options: ViewOptions) -> ScreenPlan:
        """The plan of the screen, which changes only with the snapshot and the options."""
        snapshot, planned_options = self._planned_for
        if snapshot is not view.snapshot or planned_options != options:
            self._planned_for = (view.snapshot, options)
            self.plan = screen_plan(view, options)
        return self.plan

    def _rearrange(self, plan: ScreenPlan) -> None:
        before, self.layout.plan = self.layout.plan, plan
        if before != plan:
            # The screen's own request would leave its arrangement cached; a child's does not.
            self.widgets["header"].refresh(layout=True)

    def _draw(self, view: View, place: Place, old: bool, options: ViewOptions, now: float) -> int:
        if not self._is_due(place.panel, view, now):
            return 0
        self._drawn[place.panel] = Drawn(view.snapshot, view.curves, now)
        return self.widgets[place.panel].show(draw_place(view, place, old, options))

    def _is_due(self, panel: str, view: View, now: float) -> bool:
        drawn = self._drawn.get(panel)
        if drawn is None:
            return True
        if drawn.curves is not view.curves and panel in (*SHOWING_CURVES, OPENED):
            return True
        if drawn.snapshot is view.snapshot:
            return _shows_ages(panel) and now - drawn.at >= AGE_INTERVAL_S
        return is_due(panel, drawn.at, now)


def _still_place(view: View) -> object:
    """The place in the log of what is shown while nothing plays; the present is one place."""
    return None if view.past is None or view.past.playhead.playing else view.past.place


def _shows_ages(panel: str) -> bool:
    """Whether a panel changes with time alone."""
    return panel in BARS or panel == OPENED or PANELS[panel].depends_on_time
