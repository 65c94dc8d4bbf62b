"""The main screen: panels or one opened panel, and the commands that select, open, hide and scroll them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from rich.style import Style
from textual.app import ComposeResult
from textual.layout import Layout

from esper_schemas.history import Moment
from esper_schemas.rules.finding_metrics import MEAN_RETURN
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.control.commands import key_of
from esper_tui.control.navigation import LAST, cursor_row, neighbour, next_choice
from esper_tui.frame import (
    ALL_HIDDEN,
    RUNS,
    ScreenPlan,
    draw_place,
    frame_rows,
    opened_entry_at,
    opened_keys,
    opened_moment,
    placed_panels,
)
from esper_tui.grid.arrangement import OPENED, Place
from esper_tui.pages.entry_chart import metrics_at_cursor
from esper_tui.pages.opened_panel import first_row, moved_cursor
from esper_tui.pages.page import GroupKey
from esper_tui.panels.charts_panel import charted_metrics
from esper_tui.panels.panel_registry import PANELS
from esper_tui.past.rewind import Rewind
from esper_tui.screens.panel_area import PanelArea
from esper_tui.screens.panel_widget import PanelWidget
from esper_tui.screens.time_actions import TimeActions, TimeHost
from esper_tui.text.spans import Rows, Tone
from esper_tui.view.measured_fields import measured_fields
from esper_tui.view.view import View, ViewOptions

WHEEL_ROWS = 3
"""How far one turn of the mouse wheel moves the cursor."""


class MainScreenHost(TimeHost, Protocol):
    """What the main screen needs of the app."""

    def view(self) -> View:
        """The feed at this moment."""
        ...

    def watch_run(self, run: str) -> None:
        """Show another run of the aggregator."""
        ...

    def stay_with(self, run: str) -> None:
        """Announce no run that the aggregator has already."""
        ...

    def keep_hidden(self, hidden: frozenset[str]) -> None:
        """Save the hidden panels as a setting."""
        ...


class MainScreen(TimeActions):
    """Panels, and the options with which they are shown."""

    def __init__(self, host: MainScreenHost, options: ViewOptions) -> None:
        super().__init__()
        self._host = host
        self._area = PanelArea()
        self.options = options
        self._seen: SanctumSnapshot | None = None
        self._charted_for: tuple[object, ...] = ()
        self._at_cursor: tuple[str, ...] = ()

    @property
    def _rewind(self) -> Rewind:
        return self._host.rewind

    def _draw(self) -> None:
        self._host.draw_now()

    @property
    def layout(self) -> Layout:
        """Panels are placed by `esper_tui.grid.arrangement`."""
        return self._area.layout

    def compose(self) -> ComposeResult:
        """One widget per panel."""
        yield from self._area.widgets.values()

    def paint(self, styles: dict[Tone, Style]) -> None:
        """Use other styles from now on."""
        self._area.paint(styles)

    def change(self, **options: object) -> None:
        """Change some options and redraw."""
        self.options = replace(self.options, **options)  # type: ignore[arg-type]
        self.show(self._host.view())

    def show(self, view: View) -> int:
        """Draw a view and return how many rows changed.

        A panel without a place in the window is deselected, so that no command acts on it unseen.
        """
        self._remember(view.snapshot)
        plan, selected = self._area.plan_for(view, self.options), self.options.selected
        if selected is not None and self.options.opened is None and selected not in self._placed(plan):
            self.options = replace(self.options, selected=None)
        return self._area.show(view, *self.app.size, self.options)

    def _remember(self, snapshot: SanctumSnapshot) -> None:
        """Keep the metrics that this run has measured, for its panels to stay."""
        if snapshot is self._seen:
            return
        same_run = self._seen is not None and self._seen.run.run == snapshot.run.run
        before = self.options.measured if same_run else frozenset[str]()
        self._seen = snapshot
        self.options = replace(self.options, measured=before | measured_fields(snapshot))

    def charted(self, view: View) -> tuple[str, ...]:
        """The metrics of which the panels in the window show charts."""
        if self.options.opened is not None:
            return self._charted_at_cursor(view)
        placed = self._placed()
        charts = charted_metrics(view.snapshot) if "charts" in placed else ()
        return (*((MEAN_RETURN,) if "return" in placed else ()), *charts)

    def _charted_at_cursor(self, view: View) -> tuple[str, ...]:
        """The metrics at the cursor of the opened panel, which change only when it moves."""
        options = self.options
        at = (options.opened, options.cursor, options.cursor_key, options.toggled, view.snapshot.run.run)
        if at != self._charted_for:
            self._charted_for, self._at_cursor = at, metrics_at_cursor(view, options)
        return self._at_cursor

    def _placed(self, plan: ScreenPlan | None = None) -> tuple[str, ...]:
        return placed_panels(plan or self._area.plan, *self.app.size)

    def _not_hidden(self) -> tuple[str, ...]:
        return tuple(panel for panel in PANELS if panel not in self.options.hidden)

    def on_panel_widget_clicked(self, event: PanelWidget.Clicked) -> None:
        """The first click selects a panel or an entry of an opened one, the second one opens it."""
        if event.panel == OPENED:
            self._click_entry(event.row)
        elif event.panel in PANELS:
            if self.options.selected == event.panel:
                self.action_open()
            else:
                self.change(selected=event.panel)

    def _click_entry(self, row: int) -> None:
        opened, view = self.options.opened, self._host.view()
        entry = opened_entry_at(view, *self.app.size, self.options, row)
        if opened is None or entry is None:
            return
        here = cursor_row(self.options.cursor, self.options.cursor_key, self._keys(opened))
        if entry == here:
            self.action_open()
        else:
            self.action_move(entry - here)

    def on_panel_widget_scrolled(self, event: PanelWidget.Scrolled) -> None:
        """The wheel moves the cursor of an opened panel."""
        if event.panel == OPENED:
            self.action_move(WHEEL_ROWS * event.direction)

    def action_step(self, direction: int) -> None:
        """Select the next panel (1) or the previous one (-1); if one is open, open that panel instead."""
        if self.options.opened is None:
            self.change(selected=neighbour(self.options.selected, self._placed(), direction))
            return
        panel = neighbour(self.options.selected, self._not_hidden(), direction)
        if panel:
            self._open(panel)

    def action_move(self, rows: int) -> None:
        """Move the cursor of the opened panel; without one, select a panel."""
        opened = self.options.opened
        if opened is None:
            self.action_step(1 if rows > 0 else -1)
            return
        keys = self._keys(opened)
        cursor, key = moved_cursor(self.options.cursor, self.options.cursor_key, rows, opened, keys)
        self.change(cursor=cursor, cursor_key=key)

    def _keys(self, panel: str) -> Sequence[object]:
        return opened_keys(self._host.view(), panel, *self.app.size, self.options.toggled)

    def _key_at_cursor(self, panel: str) -> object:
        keys = self._keys(panel)
        return keys[cursor_row(self.options.cursor, self.options.cursor_key, keys)] if keys else None

    def action_first_row(self) -> None:
        """Move to the first row."""
        self.action_move(-LAST)

    def action_last_row(self) -> None:
        """Move to the last row."""
        self.action_move(LAST)

    def action_open(self) -> None:
        """Open the selected panel, or the first; in the list of runs, watch the run at the cursor; in a list
        of groups, expand or collapse the one at the cursor.
        """
        if self.options.opened == RUNS:
            run = self._key_at_cursor(RUNS)
            if isinstance(run, str) and run:
                self._watch(run)
        elif self.options.opened is None:
            panel = self.options.selected or neighbour(None, self._placed() or self._not_hidden(), 1)
            if panel:
                self._open(panel)
        else:
            self._toggle_group(self.options.opened)
            self._go_to_moment(self.options.opened)

    def _toggle_group(self, panel: str) -> None:
        """Expand or collapse the group at the cursor, or the one of the entry at the cursor."""
        keys, key = self._keys(panel), self._key_at_cursor(panel)
        if isinstance(key, tuple) and key and isinstance(key[0], GroupKey):
            key = key[0]
        if isinstance(key, GroupKey):
            self.change(toggled=self.options.toggled ^ {key}, cursor_key=key, cursor=keys.index(key))

    def _go_to_moment(self, panel: str) -> None:
        """Go to the moment of the entry at the cursor, if it has one."""
        moment = opened_moment(self._host.view(), panel, *self.app.size, self.options)
        if moment is not None:
            self.go_to(moment)

    def go_to(self, moment: Moment) -> None:
        """Close the opened panel, and show all panels as they were at a moment."""
        self._rewind.go_to(moment)
        self._close()
        self._draw()

    def _open(self, panel: str) -> None:
        self.change(selected=panel, opened=panel, cursor=first_row(panel), cursor_key=None)

    def _close(self) -> None:
        self.change(opened=None, cursor=0, cursor_key=None)

    def action_back(self) -> None:
        """Close the opened panel or the time bar, clear the selection, or return to the present."""
        if self.options.opened is not None:
            self._close()
        elif self.options.time_bar:
            self.action_time_bar()
        elif self.options.selected is not None:
            self.change(selected=None)
        else:
            self.action_to_present()

    def action_hide(self) -> None:
        """Hide the selected or the opened panel."""
        panel = self.options.opened or self.options.selected
        if panel in PANELS:
            self._hide(panel)
        else:
            self.notify(self._nothing_to_hide(), timeout=4)

    def _hide(self, panel: str) -> None:
        following = neighbour(panel, self._placed(), 1)
        self._close()
        self._host.keep_hidden(self.options.hidden | {panel})
        self.change(selected=following if following != panel else None)
        shown_by = f"{key_of('show_all')} shows all panels again."
        self.notify(f"{PANELS[panel].title} is hidden; {shown_by}", timeout=4)

    def _nothing_to_hide(self) -> str:
        if self.options.opened == RUNS:
            return f"The list of runs cannot be hidden; {key_of('back')} closes it."
        if self._not_hidden():
            return f"Select a panel with {key_of('select_next')} first."
        return ALL_HIDDEN

    def action_show_all(self) -> None:
        """Show all hidden panels again."""
        self._host.keep_hidden(frozenset())

    def action_runs(self) -> None:
        """Open the list of runs with the cursor at the watched one, or close the list."""
        if self.options.opened == RUNS:
            self._close()
            return
        feed = self._host.view().link
        watched = feed.snapshot.run.run
        self._host.stay_with(watched or feed.selected)
        self.change(opened=RUNS, cursor=0, cursor_key=watched)

    def action_next_run(self) -> None:
        """Watch the run that has begun last, or else the next one of the aggregator."""
        feed = self._host.view().link
        if feed.new_runs:
            self._watch(feed.new_runs[0])
        elif set(feed.runs) - {feed.snapshot.run.run}:
            self._watch(next_choice(feed.snapshot.run.run, feed.runs))
        else:
            self.notify("There is no other run.", timeout=2)

    def _watch(self, run: str) -> None:
        self._host.watch_run(run)
        self._close()

    def copied_rows(self) -> Rows:
        """What is copied: the selected panel, or else the whole screen."""
        options, view = self.options, self._host.view()
        if options.opened is not None or options.selected is None:
            return frame_rows(view, *self.app.size, options)
        size = self._area.widgets[options.selected].size
        place = Place(options.selected, 0, 0, size.width, size.height, True)
        return draw_place(view, place, False, replace(options, selected=None))
