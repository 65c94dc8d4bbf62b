"""Sanctum: polls the source on every tick and repaints what has changed.

The timer is the only thing that acts by itself. There is no thread and no queue: a snapshot that is replaced
by a newer one before it was drawn is never drawn.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from rich.style import Style
from textual import events
from textual.app import App, SuspendNotSupported, SystemCommand
from textual.binding import Binding
from textual.driver import Driver
from textual.filter import LineFilter
from textual.screen import Screen
from textual.timer import Timer

from esper_schemas.history import Moment
from esper_schemas.notes import NoteWriter
from esper_schemas.source import Feed, SnapshotSource
from esper_tui.control.chart_commands import CHART_COMMANDS, works_on_charts
from esper_tui.control.commands import BY_PRECEDENCE, COMMANDS, ScreenCommand, key_of, works_on_help
from esper_tui.control.navigation import next_choice
from esper_tui.control.redraw_schedule import FASTEST, RedrawRate
from esper_tui.control.user_settings import Settings, save
from esper_tui.pages.chart_items import board_for
from esper_tui.past.rewind import Rewind
from esper_tui.past.run_history import OpenHistory, RunHistory
from esper_tui.past.series_answers import SeriesAnswers, SeriesWish
from esper_tui.screens.chart_screen import ChartScreen
from esper_tui.screens.help_screen import HelpScreen
from esper_tui.screens.main_screen import MainScreen
from esper_tui.screens.note_prompt import ask_for_note, report_notes
from esper_tui.screens.prompt_screen import PromptScreen
from esper_tui.terminal.ascii_filter import AsciiFilter
from esper_tui.terminal.export import write_new
from esper_tui.terminal.hangup import (
    TERMINAL_CHECK_S,
    exit_on_signals,
    hangup_tolerant,
    terminal_is_gone,
)
from esper_tui.terminal.suspension import stop_until_continued
from esper_tui.terminal.window_title import TITLE_INTERVAL_S, TitleSetter, titled
from esper_tui.text.spans import Tone, plain
from esper_tui.text.symbols import SYMBOL_SETS
from esper_tui.text.theme import THEMES, styles_for
from esper_tui.view.run_title import run_title
from esper_tui.view.view import View, ViewOptions

STANDS_STILL = (
    f"The past stands still; {key_of('forward_in_time')} goes on, {key_of('back')} returns to the present."
)

COCKPIT_POINTS = 400
"""The buckets of the curves on the main screen; a chart there is at most about 200 cells wide."""


@runtime_checkable
class RunSelector(Protocol):
    """A source of several runs, one of which is shown."""

    def select(self, run: str | None) -> None:
        """Show this run from now on."""
        ...


class SanctumApp(App[None]):
    """The cockpit on a terminal. The caller closes the source after `run()` has returned.

    `clock` gives nanoseconds since 1970, by which ages are computed. `open_history` opens the past of a run
    by its name; the app closes what it has opened. `notes` writes the notes of the user. `at` names the
    moment with which the app begins. Settings are saved in `settings_file`, if it is given; `notice` is a
    sentence that is shown at the start.
    """

    TITLE = "Sanctum"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS = [
        Binding(",".join(c.keys), c.action, c.label or c.title, priority="tab" in c.keys[0])
        for c in BY_PRECEDENCE
    ]
    CSS = "VerticalScroll { scrollbar-size-vertical: 1; }"

    def __init__(
        self,
        source: SnapshotSource,
        *,
        clock: Callable[[], int] = time.time_ns,
        open_history: OpenHistory | None = None,
        notes: NoteWriter | None = None,
        at: str = "",
        frames_per_second: float = FASTEST,
        settings: Settings = Settings(),  # noqa: B008
        settings_file: Path | None = None,
        notice: str = "",
    ) -> None:
        super().__init__(ansi_color=True)  # Do not convert the colours of the palette.
        self._source = source
        self._clock = clock
        self.history = RunHistory(open_history)
        self._rewind = Rewind(self.history, partial(self.notify, timeout=4))
        self._notes = notes
        self._begin_at = at
        self._curves = SeriesAnswers(self.history)
        self._redraw_rate = RedrawRate(frames_per_second)
        self._settings = settings
        self._settings_file = settings_file
        self._notice = notice
        self._ascii_filter = AsciiFilter()
        self._paused_at: Feed | None = None
        self.main_screen = MainScreen(self, ViewOptions(symbols=settings.symbols, hidden=settings.hidden))
        self._timer: Timer | None = None
        self.ticks_per_second = 0.0

    def get_driver_class(self) -> type[Driver]:
        """The driver of the platform, but one that survives the loss of the terminal and sets its title."""
        return titled(hangup_tolerant(super().get_driver_class()))

    def get_default_screen(self) -> Screen[None]:
        """The app starts with the main screen."""
        return self.main_screen

    def get_system_commands(self, screen: Screen[object]) -> Iterator[SystemCommand]:
        """The commands that work on the screen below the palette."""
        for command in _commands_on(screen, self.options.time_bar):
            if command.name != "command_palette":
                run = partial(self.run_action, command.action)
                yield SystemCommand(command.title, f"{command.all_keys}  {command.help}", run)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """The filters that every line passes before it is written."""
        ascii_only = [self._ascii_filter] if self._settings.symbols == "ascii" else []
        return [*super().get_line_filters(), *ascii_only]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """On the help page only the commands that affect it work."""
        return works_on_help(action) or not isinstance(self.screen, HelpScreen)

    def on_mount(self) -> None:
        """Draw at once, then on every tick."""
        self._paint()
        self._tick()
        exit_on_signals(self.exit)
        self.set_interval(TERMINAL_CHECK_S, self._exit_if_unseen)
        self._set_title()
        self.set_interval(TITLE_INTERVAL_S, self._set_title)
        if self._notice:
            self.notify(self._notice, severity="warning", timeout=10)

    def on_unmount(self) -> None:
        """Release the history."""
        self.history.close()

    def on_resize(self, event: events.Resize) -> None:
        """Draw for the new size without waiting for the next tick."""
        self.redraw()

    def on_key(self, event: events.Key) -> None:
        """Pass on a letter that was typed before the prompt opened, and so reached the screen below it."""
        if isinstance(self.screen, PromptScreen) and event.is_printable:
            self.screen.write(event.character or "")

    def is_unseen(self) -> bool:
        """Whether the terminal is gone, so that nobody can see the app."""
        return terminal_is_gone()

    def _exit_if_unseen(self) -> None:
        if self.is_unseen():
            self.exit()

    def _set_title(self) -> None:
        if isinstance(self._driver, TitleSetter):
            self._driver.set_title(run_title(self.view()))

    @property
    def rate(self) -> float:
        """The chosen rate, in frames per second."""
        return self._redraw_rate.chosen

    @property
    def options(self) -> ViewOptions:
        """The options with which the main screen is drawn."""
        return self.main_screen.options

    @property
    def rewind(self) -> Rewind:
        """The past of the run that is shown."""
        return self._rewind

    @property
    def is_paused(self) -> bool:
        """Whether the display is paused."""
        return self._paused_at is not None

    def view(self) -> View:
        """The feed at this moment. The source is polled even while the display is paused."""
        newest = self._source.poll()
        self.history.show(newest.snapshot.run.run)
        past = self._rewind.follow(newest.snapshot, time.monotonic(), watched=self.options.time_bar)
        if past is not None and past.snapshot is not None:
            self._paused_at = None
            return View(
                newest.at(past.snapshot), self._clock(), newest, past=past, curves=self._curves.curves
            )
        if self._paused_at is None:
            return View(newest, self._clock(), past=past, curves=self._curves.curves)
        return View(self._paused_at, self._clock(), newest, past=past, curves=self._curves.curves)

    def redraw(self) -> int:
        """Draw the newest feed, or the one at which the display was paused; returns the number of changed
        rows.
        """
        return self._shown_screen.show(self.view())

    def draw_now(self) -> None:
        """Draw, and from now on as often as what is shown demands."""
        self._tick()

    def go_to(self, moment: Moment) -> None:
        """Show the main screen as it was at a moment."""
        self.main_screen.go_to(moment)

    def watch_run(self, run: str) -> None:
        """Show another run of the aggregator, and resume the display."""
        if isinstance(self._source, RunSelector):
            self._source.select(run)
            self._paused_at = None
        self._tick()

    def stay_with(self, run: str) -> None:
        """Announce no run that the aggregator has already."""
        if isinstance(self._source, RunSelector) and run:
            self._source.select(run)

    def keep_hidden(self, hidden: frozenset[str]) -> None:
        """Save the hidden panels as a setting."""
        self._choose(hidden=hidden)

    def action_suspend(self) -> None:
        """Stop the process, as ctrl-z does in a shell, with the terminal as it was before the start."""
        try:
            with self.suspend():
                was_stopped = stop_until_continued()
        except SuspendNotSupported:
            was_stopped = False
        if not was_stopped:
            self.notify("Sanctum cannot be suspended here: no shell could resume it.", timeout=4)

    def action_help(self) -> None:
        """Show or hide the help page."""
        if isinstance(self.screen, HelpScreen):
            self.pop_screen()
        else:
            self.push_screen(HelpScreen(self._styles(), self._settings.symbols))

    def action_charts(self) -> None:
        """Open the charts of what the main screen shows at the cursor."""
        board = board_for(self.view(), self.options)
        self.push_screen(ChartScreen(self, board, self._styles(), self._settings.symbols))

    def action_pause(self) -> None:
        """Pause or resume the display; the past stands still already."""
        if self._rewind.is_past:
            self._rewind.stop()
            self.notify(STANDS_STILL, timeout=4)
            return
        self._paused_at = self._source.poll() if self._paused_at is None else None
        self._tick()

    def action_note(self) -> None:
        """Ask for a note about the update that is shown, and write it."""
        ask_for_note(self, self._notes, self.view().snapshot)

    def action_copy(self) -> None:
        """Copy the screen, or the selected panel, as plain text to the terminal's clipboard (OSC 52)."""
        screen = self.screen if isinstance(self.screen, HelpScreen | ChartScreen) else self.main_screen
        rows = screen.copied_rows()
        self.copy_to_clipboard("\n".join(plain(row).rstrip() for row in rows))
        self.notify(f"Copied {len(rows)} lines.", timeout=2)

    def action_save(self) -> None:
        """Save the screen as SVG."""
        name = f"sanctum-{time.strftime('%Y%m%d-%H%M%S', time.localtime(self._clock() / 1e9))}.svg"
        self.save_svg(name, self.export_screenshot(title="Sanctum"))

    def export_screenshot(self, *, title: str | None = None, simplify: bool = False) -> str:
        """Return the screen as SVG, in which renderers other than browsers keep the blanks as well."""
        svg = super().export_screenshot(title=title, simplify=simplify)
        return svg.replace("<svg ", '<svg xml:space="preserve" ', 1)

    def save_svg(self, name: str, svg: str) -> None:
        """Write an SVG file into the working directory and notify the user."""
        try:
            written = write_new(name, svg)
        except OSError as error:
            self.notify(f"The screen cannot be saved ({error}).", severity="error", timeout=8)
            return
        self.notify(f"Saved {written}.", timeout=4)

    def action_theme(self) -> None:
        """Switch to the next theme."""
        self._choose(theme=next_choice(self._settings.theme, tuple(THEMES)))
        self._paint()

    def action_symbols(self) -> None:
        """Switch to the next set of symbols."""
        self._choose(symbols=next_choice(self._settings.symbols, SYMBOL_SETS))
        self._paint()

    def action_faster(self) -> None:
        """Double the redraw rate."""
        self._draw_at(self.rate * 2)

    def action_slower(self) -> None:
        """Halve the redraw rate."""
        self._draw_at(self.rate / 2)

    def _choose(self, **settings: object) -> None:
        """Change settings, apply them and save them."""
        self._settings = replace(self._settings, **settings)  # type: ignore[arg-type]
        self.main_screen.change(symbols=self._settings.symbols, hidden=self._settings.hidden)
        problem = save(self._settings, self._settings_file) if self._settings_file else ""
        if problem:
            self.notify(problem, severity="warning", timeout=8)

    def _styles(self) -> dict[Tone, Style]:
        return styles_for(self.console.color_system, self._settings.theme)

    def _paint(self) -> None:
        self.theme = THEMES[self._settings.theme].textual
        self.main_screen.paint(self._styles())
        for screen in self.screen_stack:
            if isinstance(screen, HelpScreen | ChartScreen):
                screen.paint(self._styles(), self._settings.symbols)

    def _draw_at(self, rate: float) -> None:
        self._redraw_rate.choose(rate)
        self._tick()
        self.notify(f"{self.rate:g} frames per second", timeout=2)

    def _want_curves(self, view: View) -> None:
        """Ask for the curves of the panels that have a place in the window, also before they are shown."""
        wish = SeriesWish(self.main_screen.charted(view), points=COCKPIT_POINTS)
        self._curves.want(wish, view.link.snapshot.events_folded, time.monotonic())

    @property
    def _shown_screen(self) -> "MainScreen | ChartScreen":
        """The screen that is drawn on every tick: the charts, if they are open, hide the main screen."""
        charts = [screen for screen in self.screen_stack if isinstance(screen, ChartScreen)]
        return charts[-1] if charts else self.main_screen

    def _go_to_beginning(self) -> None:
        """Go to the moment with which the app begins, as soon as the run has a past."""
        if self._begin_at and self.view().snapshot.tamiyo.last_update:
            self._rewind.go_to_text(self._begin_at)
            self._begin_at = ""

    def _tick(self) -> None:
        """Draw, and adapt the timer to the rate."""
        self.history.deliver()
        report_notes(self, self._notes)
        self._go_to_beginning()
        view = self.view()
        self._want_curves(view)
        self._shown_screen.show(view)
        newest = object() if self._rewind.is_busy else view.link.snapshot
        rate = self._redraw_rate.rate(newest, self.is_paused, time.monotonic())
        if rate != self.ticks_per_second:
            if self._timer is not None:
                self._timer.stop()
            self.ticks_per_second = rate
            self._timer = self.set_interval(1.0 / rate, self._tick)


def _commands_on(screen: Screen[object], time_bar: bool) -> Iterator[ScreenCommand]:
    """The commands that work on a screen."""
    if isinstance(screen, ChartScreen):
        yield from CHART_COMMANDS
        yield from filter(works_on_charts, COMMANDS)
        return
    for command in COMMANDS:
        works = command.on_help or not isinstance(screen, HelpScreen)
        if works and (time_bar or not command.on_time_bar):
            yield command
