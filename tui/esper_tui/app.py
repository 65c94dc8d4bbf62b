"""Sanctum: ask the source for the newest picture on every tick, and repaint what has changed.

The draw timer is the only thing that happens by itself. There is no thread and no queue: a snapshot
that was never drawn because a newer one came is simply not drawn.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from rich.style import Style
from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.driver import Driver
from textual.filter import LineFilter
from textual.screen import Screen
from textual.timer import Timer

from esper_schemas.source import Feed, SnapshotSource
from esper_tui.control.commands import COMMANDS, acts_on_help, key_of
from esper_tui.control.navigation import Moves, after, beside
from esper_tui.control.redraw_schedule import FASTEST, RedrawRate
from esper_tui.control.settings import Settings, save
from esper_tui.frame import ALL_HIDDEN, RUNS, draw_place, drawn_panels, opened_keys
from esper_tui.grid.arrangement import Place
from esper_tui.pages.opened_panel import first_row, stepped
from esper_tui.panels.panel_registry import PANELS
from esper_tui.screens.help_screen import HelpScreen
from esper_tui.screens.main_screen import Cockpit
from esper_tui.screens.panel_widget import PanelWidget
from esper_tui.terminal.ascii_filter import AsciiFilter
from esper_tui.terminal.driver import hangup_tolerant
from esper_tui.terminal.print_frame import frame_rows, write_new
from esper_tui.terminal.shutdown import TERMINAL_CHECK_S, end_on_signals, terminal_is_gone
from esper_tui.text.spans import Rows, Tone, plain
from esper_tui.text.symbols import SYMBOL_SETS
from esper_tui.text.theme import THEMES, styles_for
from esper_tui.view.view import View, ViewOptions


@runtime_checkable
class RunChooser(Protocol):
    """A source with several runs, of which one is shown."""

    def select(self, run: str | None) -> None:
        """Show this run from now on."""
        ...


class SanctumApp(Moves, App[None]):
    """The cockpit on a terminal. Whoever made the source closes it after `run()` has returned.

    `clock` gives nanoseconds since 1970; ages and silences are counted by it. Choices are kept in
    `settings_file`, if there is one; `notice` is a sentence that is shown at the start.
    """

    TITLE = "Sanctum"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS = [
        Binding(",".join(c.keys), c.action, c.label or c.title, priority="tab" in c.keys[0]) for c in COMMANDS
    ]
    CSS = "VerticalScroll { scrollbar-size-vertical: 1; }"

    def __init__(
        self,
        source: SnapshotSource,
        *,
        clock: Callable[[], int] = time.time_ns,
        frames_per_second: float = FASTEST,
        settings: Settings = Settings(),  # noqa: B008
        settings_file: Path | None = None,
        notice: str = "",
    ) -> None:
        super().__init__(ansi_color=True)  # Let the palette through as it is.
        self._source = source
        self._clock = clock
        self._pace = RedrawRate(frames_per_second)
        self._settings = settings
        self._settings_file = settings_file
        self._notice = notice
        self._options = ViewOptions(symbols=settings.symbols, hidden=settings.hidden)
        self._ascii_filter = AsciiFilter()
        self._held: Feed | None = None
        self._cockpit = Cockpit()
        self._timer: Timer | None = None
        self.ticks_per_second = 0.0

    def get_driver_class(self) -> type[Driver]:
        """The one of the platform, which must not stop the app when the terminal is gone."""
        return hangup_tolerant(super().get_driver_class())

    def get_default_screen(self) -> Screen[None]:
        """The cockpit is what the app starts with."""
        return self._cockpit

    def get_system_commands(self, screen: Screen[object]) -> Iterator[SystemCommand]:
        """The palette offers what the keys do on the screen below it."""
        for command in COMMANDS:
            acts = command.on_help or not isinstance(screen, HelpScreen)
            if acts and command.action != "command_palette":
                action = f"action_{command.action}"
                yield SystemCommand(
                    command.title, f"{command.all_keys}  {command.help}", getattr(self, action)
                )

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What every line goes through on its way out."""
        ascii_only = [self._ascii_filter] if self._options.symbols == "ascii" else []
        return [*super().get_line_filters(), *ascii_only]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """On the help page only those commands act that are about it."""
        return acts_on_help(action) or not isinstance(self.screen, HelpScreen)

    def on_mount(self) -> None:
        """Draw at once, then on every tick."""
        self._paint()
        self._tick()
        end_on_signals(self.exit)
        self.set_interval(TERMINAL_CHECK_S, self._end_if_unseen)
        if self._notice:
            self.notify(self._notice, severity="warning", timeout=10)

    def on_resize(self, event: events.Resize) -> None:
        """Draw for the new size without waiting for the next tick."""
        self.redraw()

    def on_panel_widget_clicked(self, event: PanelWidget.Clicked) -> None:
        """A click marks a panel, a second one opens it."""
        if event.panel not in PANELS:
            return
        if self._options.focus == event.panel:
            self.action_open()
        else:
            self._change(focus=event.panel)

    def is_unseen(self) -> bool:
        """Whether there is nobody left to draw for."""
        return terminal_is_gone()

    def _end_if_unseen(self) -> None:
        if self.is_unseen():
            self.exit()

    @property
    def rate(self) -> float:
        """Pictures per second."""
        return self._pace.chosen

    @property
    def options(self) -> ViewOptions:
        """How the picture is drawn now."""
        return self._options

    def view(self) -> View:
        """What there is to see now. The source is asked even while the picture is held."""
        newest = self._source.poll()
        if self._held is None:
            return View(newest, self._clock())
        return View(self._held, self._clock(), newest)

    def redraw(self) -> int:
        """Draw the newest picture, or the held one, and return how many rows changed."""
        return self._show(self.view())

    def _show(self, view: View) -> int:
        """Draw. A panel that has no place in the window bears no mark, so that no key acts on it unseen."""
        options = self._options
        if options.focus is not None and options.opened is None and options.focus not in self._drawn():
            self._options = replace(options, focus=None)
        return self._cockpit.show(view, *self.size, self._options)

    def action_help(self) -> None:
        """Show the help page, or leave it."""
        if isinstance(self.screen, HelpScreen):
            self.pop_screen()
        else:
            self.push_screen(HelpScreen(self._styles(), self._options.symbols))

    async def action_back(self) -> None:
        """Leave whatever lies over the cockpit, then the opened panel, then the mark."""
        if self.screen is not self._cockpit:
            self.pop_screen()
        elif self._options.opened is not None:
            self._close()
        else:
            self._change(focus=None)

    def action_pause(self) -> None:
        """Hold the picture, or go on with the newest."""
        self._held = self._source.poll() if self._held is None else None
        self._tick()

    def action_copy(self) -> None:
        """Copy the marked panel, or else the screen, as plain text to the terminal's clipboard (OSC 52)."""
        rows = self._rows_to_copy()
        self.copy_to_clipboard("\n".join(plain(row).rstrip() for row in rows))
        self.notify(f"Copied {len(rows)} lines.", timeout=2)

    def action_save(self) -> None:
        """Save the screen as SVG."""
        name = f"sanctum-{time.strftime('%Y%m%d-%H%M%S', time.localtime(self._clock() / 1e9))}.svg"
        self.save_picture(name, self.export_screenshot(title="Sanctum"))

    def save_picture(self, name: str, svg: str) -> None:
        """Write a picture into the working directory, and say so."""
        try:
            written = write_new(name, svg)
        except OSError as error:
            self.notify(f"The picture cannot be saved ({error}).", severity="error", timeout=8)
            return
        self.notify(f"Saved {written}.", timeout=4)

    def action_open(self) -> None:
        """Open the marked panel, or the first; in the list of runs, watch the one at the cursor."""
        if self.screen is not self._cockpit:
            return
        if self._options.opened == RUNS:
            runs = self.view().link.runs
            if runs:
                self._select(runs[min(self._options.cursor, len(runs) - 1)])
        elif self._options.opened is None:
            panel = self._options.focus or beside(None, self._drawn() or self._shown(), 1)
            if panel:
                self._open(panel)

    def action_hide(self) -> None:
        """Hide the marked panel, or the opened one, and remember it."""
        if self.screen is not self._cockpit:
            return
        panel = self._options.opened or self._options.focus
        if panel in PANELS:
            self._hide(panel)
        else:
            self.notify(self._nothing_to_hide(), timeout=4)

    def _hide(self, panel: str) -> None:
        following = beside(panel, self._drawn(), 1)
        self._close()
        self._choose(hidden=self._options.hidden | {panel})
        self._change(focus=following if following != panel else None)
        shown_by = f"{key_of('show_all')} shows all panels again."
        self.notify(f"{PANELS[panel].title} is hidden; {shown_by}", timeout=4)

    def _nothing_to_hide(self) -> str:
        if self._options.opened == RUNS:
            return f"The list of runs cannot be hidden; {key_of('back')} leaves it."
        return f"Mark a panel with {key_of('focus_next_panel')} first." if self._shown() else ALL_HIDDEN

    def action_show_all(self) -> None:
        """Show what was hidden."""
        self._choose(hidden=frozenset())

    def action_theme(self) -> None:
        """The next theme."""
        self._choose(theme=after(self._settings.theme, tuple(THEMES)))
        self._paint()

    def action_symbols(self) -> None:
        """The next set of symbols."""
        self._choose(symbols=after(self._settings.symbols, SYMBOL_SETS))
        self._paint()

    def action_faster(self) -> None:
        """Draw twice as often."""
        self._draw_at(self.rate * 2)

    def action_slower(self) -> None:
        """Draw half as often."""
        self._draw_at(self.rate / 2)

    def action_runs(self) -> None:
        """Show the list of runs, the one that is watched at the cursor; or leave it."""
        if self._options.opened == RUNS:
            self._close()
            return
        feed = self.view().link
        watched = feed.snapshot.run.run
        cursor = feed.runs.index(watched) if watched in feed.runs else 0
        self._change(opened=RUNS, cursor=cursor, held=None)

    def action_next_run(self) -> None:
        """Watch the next run of the aggregator."""
        feed = self.view().link
        if len(feed.runs) > 1:
            self._select(after(feed.snapshot.run.run, feed.runs))
        else:
            self.notify("There is no other run.", timeout=2)

    def _select(self, run: str) -> None:
        if isinstance(self._source, RunChooser):
            self._source.select(run)
            self._held = None
        self._close()
        self._tick()

    def _shown(self) -> tuple[str, ...]:
        return tuple(panel for panel in PANELS if panel not in self._options.hidden)

    def _drawn(self) -> tuple[str, ...]:
        return drawn_panels(*self.size, self._options)

    def step(self, direction: int) -> None:
        """Mark the panel beside the marked one, or open it where one is open."""
        if self.screen is not self._cockpit:
            return
        if self._options.opened is None:
            self._change(focus=beside(self._options.focus, self._drawn(), direction))
            return
        panel = beside(self._options.focus, self._shown(), direction)
        if panel:
            self._open(panel)

    def move(self, rows: int) -> None:
        """Move by rows of what is open; with nothing open, by panels."""
        if isinstance(self.screen, HelpScreen):
            self.screen.scroll_by(rows)
        elif self._options.opened is None:
            self.step(1 if rows > 0 else -1)
        else:
            self._move_cursor(self._options.opened, rows)

    def _move_cursor(self, panel: str, rows: int) -> None:
        keys = opened_keys(self.view(), panel, *self.size)
        cursor, held = stepped(self._options.cursor, self._options.held, rows, panel, keys)
        self._change(cursor=cursor, held=held)

    def _open(self, panel: str) -> None:
        self._change(focus=panel, opened=panel, cursor=first_row(panel), held=None)

    def _close(self) -> None:
        self._change(opened=None, cursor=0, held=None)

    def _change(self, **what: object) -> None:
        self._options = replace(self._options, **what)  # type: ignore[arg-type]
        self.redraw()

    def _choose(self, **what: object) -> None:
        """Change a setting, draw by it, and keep it."""
        self._settings = replace(self._settings, **what)  # type: ignore[arg-type]
        self._change(symbols=self._settings.symbols, hidden=self._settings.hidden)
        problem = save(self._settings, self._settings_file) if self._settings_file else ""
        if problem:
            self.notify(problem, severity="warning", timeout=8)

    def _styles(self) -> dict[Tone, Style]:
        return styles_for(self.console.color_system, self._settings.theme)

    def _paint(self) -> None:
        self.theme = THEMES[self._settings.theme].textual
        self._cockpit.paint(self._styles())
        for screen in self.screen_stack:
            if isinstance(screen, HelpScreen):
                screen.paint(self._styles(), self._options.symbols)

    def _draw_at(self, rate: float) -> None:
        self._pace.choose(rate)
        self._tick()
        self.notify(f"{self.rate:g} pictures per second", timeout=2)

    def _tick(self) -> None:
        """Draw, and decide how often to do so from now on."""
        view = self.view()
        self._show(view)
        rate = self._pace.rate(view.link.snapshot, self._held is not None, time.monotonic())
        if rate != self.ticks_per_second:
            if self._timer is not None:
                self._timer.stop()
            self.ticks_per_second = rate
            self._timer = self.set_interval(1.0 / rate, self._tick)

    def _rows_to_copy(self) -> Rows:
        if isinstance(self.screen, HelpScreen):
            return self.screen.rows
        options, view = self._options, self.view()
        if options.opened is None and options.focus is not None:
            widget = self._cockpit.query_one(f"#{options.focus}", PanelWidget)
            size = widget.size if widget.size.height else self.size
            place = Place(options.focus, 0, 0, size.width, size.height, True)
            return draw_place(view, place, False, replace(options, focus=None))
        return frame_rows(view, *self.size, options)
