"""The commands of the main screen that go back and forth in time."""

import time
from typing import Protocol

from textual.screen import Screen

from esper_tui.control.commands import needs_time_bar
from esper_tui.past.rewind import Rewind
from esper_tui.screens.prompt_screen import PromptScreen
from esper_tui.view.view import ViewOptions

GO_TO = "Go to"
EXAMPLES = "40 · -10 · 12:30 · first-critical · last-checkpoint · event:120"


class TimeHost(Protocol):
    """What these commands need of the app."""

    @property
    def rewind(self) -> Rewind:
        """The past of the run that is shown."""
        ...

    def draw_now(self) -> None:
        """Draw, and from now on as often as what is shown demands."""
        ...


class TimeActions(Screen[None]):
    """The part of the main screen that moves in time."""

    options: ViewOptions

    @property
    def _rewind(self) -> Rewind:
        """The past of the run that is shown."""
        raise NotImplementedError

    def _draw(self) -> None:
        """Draw at once, and poll for the answer to what was asked."""
        raise NotImplementedError

    def change(self, **options: object) -> None:
        """Change some options and redraw."""
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Commands of the time bar work only while it is open, so that their keys mean something else
        elsewhere.
        """
        return self.options.time_bar or not needs_time_bar(action)

    def action_step_in_time(self, direction: int) -> None:
        """Go one update forward (1) or back (-1)."""
        self._rewind.step(direction)
        self._draw()

    def action_to_mark(self, direction: int) -> None:
        """Go to the next mark (1) or the previous one (-1)."""
        self._rewind.go_to_mark(direction)
        self._draw()

    def action_to_start(self) -> None:
        """Go to the first update."""
        self._rewind.go_to_start()
        self._draw()

    def action_to_present(self) -> None:
        """Return to the present."""
        self._rewind.go_to_end()
        self._draw()

    def action_play(self) -> None:
        """Play, or stop."""
        self._rewind.toggle_playing(time.monotonic())
        self._draw()

    def action_speed(self, factor: int) -> None:
        """Play faster by a factor, or slower by a negative one."""
        self._rewind.change_speed(factor if factor > 0 else -1 / factor)
        self._draw()

    def action_time_bar(self) -> None:
        """Show the bar of the run's time, or hide it."""
        if self.options.time_bar or self._rewind.has_past():
            self._rewind.stop()
            self.change(time_bar=not self.options.time_bar)

    async def action_go_to(self) -> None:
        """Ask for a moment, and go there. The next key is handled once the prompt can take it."""
        if self._rewind.has_past():
            await self.app.push_screen(PromptScreen(GO_TO, EXAMPLES), self._go_to_text)

    def _go_to_text(self, text: str | None) -> None:
        if text:
            self._rewind.go_to_text(text)
            self._draw()
