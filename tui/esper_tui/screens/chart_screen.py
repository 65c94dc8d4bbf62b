"""The chart screen: its charts, and the commands that choose, move and zoom them."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Protocol

from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen

from esper_schemas.history import Moment
from esper_tui.charts.chart_board import GRIDS, ChartBoard, ChartItem
from esper_tui.charts.viewport import AXES, Extent, Viewport
from esper_tui.control.chart_commands import CHART_COMMANDS
from esper_tui.control.redraw_schedule import DEFAULT_INTERVAL_S
from esper_tui.pages.chart_items import all_items, item_title
from esper_tui.pages.chart_marks import moment_at
from esper_tui.pages.chart_page import page_rows, pane_width
from esper_tui.panels.footer import chart_footer
from esper_tui.past.run_history import RunHistory
from esper_tui.screens.chart_curves import ChartCurves
from esper_tui.screens.panel_widget import PanelWidget
from esper_tui.text.spans import Rows, Tone, clean
from esper_tui.text.symbols import translated
from esper_tui.view.view import View

POINTS_PER_CELL = 2


class ChartScreenHost(Protocol):
    """What the chart screen needs of the app."""

    history: RunHistory

    def view(self) -> View:
        """The feed at this moment."""
        ...

    def go_to(self, moment: Moment) -> None:
        """Show the main screen as it was at a moment."""
        ...


class ChartScreen(Screen[None]):
    """Charts over the whole screen. They are drawn when curves, choices or the size have changed."""

    BINDINGS = [Binding(",".join(c.keys), c.action, c.label or c.title) for c in CHART_COMMANDS]
    CSS = "ChartScreen PanelWidget { width: 100%; height: 100%; }"

    def __init__(
        self, host: ChartScreenHost, board: ChartBoard, styles: dict[Tone, Style], symbols: str
    ) -> None:
        super().__init__()
        self._host = host
        self._tone_styles = styles
        self._symbols = symbols
        self._curves = ChartCurves(host.history)
        self._drawn = self._curves.known
        self._drawn_with: tuple[object, ...] = ()
        self._drawn_s = 0.0
        self._grid_before = GRIDS[2]
        self._widget = PanelWidget("charts")
        self.board = board

    def compose(self) -> ComposeResult:
        """One widget, as large as the screen."""
        yield self._widget

    def on_mount(self) -> None:
        """Apply the styles."""
        self._widget.paint(self._tone_styles)

    def on_resize(self, event: events.Resize) -> None:
        """Draw for the new size."""
        self.show(self._host.view())

    def paint(self, styles: dict[Tone, Style], symbols: str) -> None:
        """Use other styles and symbols from now on."""
        self._symbols = symbols
        self._widget.paint(styles)
        self.show(self._host.view())

    def show(self, view: View) -> int:
        """Ask for what is missing, and draw what is new; returns the number of changed rows."""
        width, height = self.size
        points = max(pane_width(self.board, width, height) * POINTS_PER_CELL, POINTS_PER_CELL)
        now_s = time.monotonic()
        self._curves.want(self.board, points, view.snapshot, now_s)
        choices = (self.board, width, height, self._symbols, view.snapshot.run.run)
        known = self._curves.known
        # Answers are rare, but without a history there are other values in every snapshot.
        is_due = known is not self._drawn and (not known.note or now_s - self._drawn_s >= DEFAULT_INTERVAL_S)
        if not height or (choices == self._drawn_with and not is_due):
            return 0
        self._drawn, self._drawn_with, self._drawn_s = known, choices, now_s
        page = page_rows(view.snapshot, self._drawn.page(self.board), width, max(height - 1, 0))
        return self._widget.show(translated((*page, *chart_footer(width)), self._symbols))

    def copied_rows(self) -> Rows:
        """The whole screen."""
        return self._widget.rows

    @property
    def _extent(self) -> Extent:
        return self._curves.known.extent or (0.0, 0.0)

    def _change(self, board: ChartBoard) -> None:
        self.board = board
        self.show(self._host.view())

    def _look(self, viewport: Viewport) -> None:
        self._change(replace(self.board, viewport=viewport))

    def action_back(self) -> None:
        """Return to the main screen."""
        self.dismiss()

    def action_step(self, direction: int) -> None:
        """Select the next chart (1) or the previous one (-1)."""
        self._change(self.board.stepped(direction))

    def action_cursor(self, cells: int) -> None:
        """Move the cursor."""
        width = pane_width(self.board, *self.size)
        self._look(self.board.viewport.moved(cells, width, self._extent))

    def action_cursor_to(self, share: float) -> None:
        """Move the cursor to a share of the window."""
        axis = self.board.viewport.shown(self._extent)
        self._look(self.board.viewport.at(axis.place(share), self._extent))

    def action_zoom(self, factor: float) -> None:
        """Change the width of the window by a factor."""
        self._look(self.board.viewport.zoomed(factor, self._extent))

    def action_whole(self) -> None:
        """Show the whole run."""
        self._look(self.board.viewport.whole())

    def action_pan(self, share: float) -> None:
        """Move the window by a share of its width."""
        self._look(self.board.viewport.panned(share, self._extent))

    def action_next_axis(self) -> None:
        """Show the whole run over the next axis."""
        place = AXES.index(self.board.viewport.axis) + 1
        self._look(self.board.viewport.over(AXES[place % len(AXES)]))

    def action_logarithmic(self) -> None:
        """Switch between a linear and a logarithmic scale."""
        self._change(replace(self.board, logarithmic=not self.board.logarithmic))

    def action_smooth(self) -> None:
        """Draw the next moving average."""
        self._change(self.board.next_smoothing())

    def action_own_ranges(self) -> None:
        """Switch between one scale for all curves and one for each."""
        self._change(replace(self.board, own_ranges=not self.board.own_ranges))

    def action_grid(self, direction: int) -> None:
        """Show more (1) or fewer (-1) charts at once."""
        self._change(self.board.regridded(direction))

    def action_enter(self) -> None:
        """Return to the main screen as it was at the cursor; without one, show the selected chart alone."""
        viewport = self.board.viewport
        if viewport.cursor is None:
            self.action_alone()
            return
        moment = moment_at(viewport.axis, viewport.cursor, self._curves.known.steps)
        if moment is not None:
            self.dismiss()
            self._host.go_to(moment)

    def action_alone(self) -> None:
        """Show the selected chart alone, or the grid from before."""
        alone = self.board.grid == GRIDS[0]
        grid = self._grid_before if alone else GRIDS[0]
        if not alone:
            self._grid_before = self.board.grid
        self._change(replace(self.board, grid=grid))

    def action_remove(self) -> None:
        """Take the last metric out of the selected chart."""
        self._change(self.board.without_last())

    def action_add(self) -> None:
        """Search a metric to draw into the selected chart."""
        self._search("Add a metric to the chart…", self._overlay)

    def action_find(self) -> None:
        """Search a chart."""
        self._search("Find a chart…", lambda item: self._change(self.board.showing(item)))

    def _overlay(self, item: ChartItem) -> None:
        board = self.board
        for metric in item.metrics:
            board = board.overlaid(metric)
        self._change(board)

    def _search(self, prompt: str, chosen: Callable[[ChartItem], None]) -> None:
        self.app.search_commands(list(self._choices(chosen)), prompt)

    def _choices(
        self, chosen: Callable[[ChartItem], None]
    ) -> Iterator[tuple[str, Callable[[], None], str | None]]:
        """All charts of the run, each with its name and what choosing it does."""
        view = self._host.view()
        for item in dict.fromkeys((*self.board.items, *all_items(view))):
            names = clean(", ".join(item.metrics))
            yield item_title(view.snapshot, item), partial(chosen, item), names
