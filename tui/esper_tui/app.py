"""Sanctum: ask the source for the newest picture twenty times a second, and repaint what has changed.

The draw timer is the only thing that happens by itself. There is no thread and no queue: a snapshot
that was never drawn because a newer one came is simply not drawn.
"""

import time
from collections.abc import Callable

from textual import events
from textual.app import App
from textual.binding import Binding
from textual.screen import Screen

from esper_schemas.source import Feed, SnapshotSource
from esper_tui.cockpit import Cockpit
from esper_tui.commands import COMMANDS
from esper_tui.help_screen import HelpScreen
from esper_tui.once import frame_rows
from esper_tui.rows import plain
from esper_tui.view import View

FRAMES_PER_SECOND = 20.0


class SanctumApp(App[None]):
    """The cockpit on a terminal. Whoever made the source closes it after `run()` has returned.

    `clock` gives nanoseconds since 1970; ages and silences are counted by it.
    """

    TITLE = "Sanctum"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS = [Binding(",".join(c.keys), c.action, c.label) for c in COMMANDS]
    CSS = """
    VerticalScroll {
        scrollbar-size-vertical: 1;
        scrollbar-color: #444444;
        scrollbar-color-hover: #626262;
        scrollbar-color-active: #626262;
        scrollbar-background: #121212;
        scrollbar-background-hover: #121212;
        scrollbar-background-active: #121212;
    }
    """

    def __init__(
        self,
        source: SnapshotSource,
        *,
        clock: Callable[[], int] = time.time_ns,
        frames_per_second: float = FRAMES_PER_SECOND,
    ) -> None:
        super().__init__(ansi_color=True)  # Let the palette through as it is.
        self._source = source
        self._clock = clock
        self._frame_time = 1.0 / frames_per_second
        self._held: Feed | None = None
        self._cockpit = Cockpit()

    def get_default_screen(self) -> Screen[None]:
        """The cockpit is what the app starts with."""
        return self._cockpit

    def on_mount(self) -> None:
        """Draw at once, then on every tick."""
        self.redraw()
        self.set_interval(self._frame_time, self.redraw)

    def on_resize(self, event: events.Resize) -> None:
        """Draw for the new size without waiting for the next tick."""
        self.redraw()

    def view(self) -> View:
        """What there is to see now. The source is asked even while the picture is held."""
        newest = self._source.poll()
        if self._held is None:
            return View(newest, self._clock())
        return View(self._held, self._clock(), newest)

    def redraw(self) -> int:
        """Draw the newest picture, or the held one, and return how many rows changed."""
        return self._cockpit.show(self.view(), *self.size)

    def action_help(self) -> None:
        """Show the help page, or leave it."""
        if isinstance(self.screen, HelpScreen):
            self.pop_screen()
        else:
            self.push_screen(HelpScreen())

    async def action_back(self) -> None:
        """Leave whatever lies over the cockpit."""
        if self.screen is not self._cockpit:
            self.pop_screen()

    def action_pause(self) -> None:
        """Hold the picture, or go on with the newest."""
        self._held = self._source.poll() if self._held is None else None
        self.redraw()

    def action_copy(self) -> None:
        """Copy the screen as plain text to the terminal's clipboard (OSC 52)."""
        rows = frame_rows(self.view(), *self.size)
        self.copy_to_clipboard("\n".join(plain(row).rstrip() for row in rows))
        self.notify(f"Copied {len(rows)} lines.", timeout=2)
