"""The main screen: the panels, where the layout says, repainted when what they show has changed."""

import time
from dataclasses import dataclass

from rich.style import Style
from textual.app import ComposeResult
from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.screen import Screen
from textual.widget import Widget

from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.control.redraw_schedule import AGE_INTERVAL_S, is_due
from esper_tui.frame import BARS, draw_place, is_old, places_for
from esper_tui.grid.arrangement import OPENED, Place
from esper_tui.panels.panel_registry import PANELS
from esper_tui.screens.panel_widget import PanelWidget
from esper_tui.text.spans import Tone
from esper_tui.view.view import View, ViewOptions


class CockpitLayout(Layout):
    """Hands the places of `esper_tui.grid.arrangement` to Textual."""

    name = "cockpit"

    def __init__(self) -> None:
        self.options = ViewOptions()

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
            for place in places_for(size.width, size.height, self.options)
        ]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a panel shows, and since when."""

    snapshot: SanctumSnapshot
    at: float


class Cockpit(Screen[None]):
    """Header, panels and footer, or one opened panel between header and footer."""

    def __init__(self) -> None:
        super().__init__()
        self._layout_of_places = CockpitLayout()
        self._panels = {name: PanelWidget(name) for name in (*BARS, *PANELS, OPENED)}
        self._drawn: dict[str, Drawn] = {}
        self._how: tuple[object, ...] = ()

    @property
    def layout(self) -> Layout:
        """Panels stand where `esper_tui.grid.arrangement` says."""
        return self._layout_of_places

    def compose(self) -> ComposeResult:
        """One widget per panel."""
        yield from self._panels.values()

    def paint(self, styles: dict[Tone, Style]) -> None:
        """Use other colours from now on."""
        for panel in self._panels.values():
            panel.paint(styles)

    def show(self, view: View, width: int, height: int, options: ViewOptions = ViewOptions()) -> int:  # noqa: B008
        """Draw a view and return how many rows changed.

        Another size, look or age of the picture draws everything. Else a panel is drawn when its
        snapshot is another one and it is due; what also depends on the moment, when it is due.
        """
        places, old = places_for(width, height, options), is_old(view)
        if self._how != (places, old, options, view.newest is None):
            self._how = (places, old, options, view.newest is None)
            self._drawn.clear()
            self._rearrange(options)
        now = time.monotonic()
        return sum(self._draw(view, place, old, options, now) for place in places)

    def _rearrange(self, options: ViewOptions) -> None:
        before, self._layout_of_places.options = self._layout_of_places.options, options
        if (before.hidden, before.opened is None) != (options.hidden, options.opened is None):
            # A widget's own request leaves its arrangement cached; a child's does not.
            self._panels["header"].refresh(layout=True)

    def _draw(self, view: View, place: Place, old: bool, options: ViewOptions, now: float) -> int:
        if not self._is_due(place.panel, view, now):
            return 0
        self._drawn[place.panel] = Drawn(view.snapshot, now)
        return self._panels[place.panel].show(draw_place(view, place, old, options))

    def _is_due(self, panel: str, view: View, now: float) -> bool:
        drawn = self._drawn.get(panel)
        if drawn is None:
            return True
        if drawn.snapshot is view.snapshot:
            return self._is_of_now(panel) and now - drawn.at >= AGE_INTERVAL_S
        return is_due(panel, drawn.at, now)

    def _is_of_now(self, panel: str) -> bool:
        """Whether it shows ages, which change by themselves."""
        return panel in BARS or panel == OPENED or PANELS[panel].depends_on_time
