"""The main screen: the panels, where the layout says, repainted when what they show has changed."""

from textual.app import ComposeResult
from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.screen import Screen
from textual.widget import Widget

from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.layout import Place, arrange
from esper_tui.panel import Panel
from esper_tui.picture import BARS, PANELS, draw_bar, draw_panel, is_old
from esper_tui.view import View


class CockpitLayout(Layout):
    """Hands the places of `esper_tui.layout` to Textual."""

    name = "cockpit"

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
            for place in arrange(size.width, size.height)
        ]


class Cockpit(Screen[None]):
    """Header, panels and footer."""

    def __init__(self) -> None:
        super().__init__()
        self._layout_of_places = CockpitLayout()
        self._panels = {name: Panel(name) for name in (*BARS, *PANELS)}
        self._drawn: tuple[SanctumSnapshot, bool, tuple[Place, ...]] | None = None

    @property
    def layout(self) -> Layout:
        """Panels stand where `esper_tui.layout` says."""
        return self._layout_of_places

    def compose(self) -> ComposeResult:
        """One widget per panel."""
        yield from self._panels.values()

    def show(self, view: View, width: int, height: int) -> int:
        """Draw a view and return how many rows changed.

        Header and footer also say what time does to a picture, so they are always drawn; the panels
        only where another snapshot, another size or another age of the picture has come.
        """
        places, old = arrange(width, height), is_old(view)
        bars = [place for place in places if place.panel in BARS]
        dirty = sum(self._panels[place.panel].show(draw_bar(view, place)) for place in bars)
        if self._is_drawn(view.snapshot, old, places):
            return dirty
        self._drawn = (view.snapshot, old, places)
        panels = [place for place in places if place.panel in PANELS]
        return dirty + sum(self._panels[p.panel].show(draw_panel(view, p, old)) for p in panels)

    def _is_drawn(self, snapshot: SanctumSnapshot, old: bool, places: tuple[Place, ...]) -> bool:
        if self._drawn is None:
            return False
        drawn_snapshot, *how = self._drawn
        return drawn_snapshot is snapshot and how == [old, places]
