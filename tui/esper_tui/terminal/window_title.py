"""The title of the terminal's window: set while the screen is drawn, restored when it is left."""

import os
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from textual.driver import Driver

from esper_tui.text.spans import clean

FAMILIES = (
    "alacritty",
    "contour",
    "foot",
    "ghostty",
    "gnome",
    "konsole",
    "kitty",
    "mlterm",
    "putty",
    "rxvt",
    "screen",
    "st-",
    "tmux",
    "vte",
    "wezterm",
    "xterm",
)
"""Terminals that have a title, by the beginning of TERM; others may print the sequence that sets it."""
LONGEST_TITLE = 100
TITLE_INTERVAL_S = 1.0
"""How often the title may change."""
SAVE = "\x1b[22;2t"
RESTORE = "\x1b]2;\x07\x1b[23;2t"
"""An empty title, for terminals that cannot save theirs; then the saved one."""


def set_title(title: str) -> str:
    """The control sequence that sets a title (OSC 2)."""
    return f"\x1b]2;{clean(title[:LONGEST_TITLE])}\x07"


def has_title(environment: Mapping[str, str]) -> bool:
    """Whether the terminal of this environment has a title."""
    return environment.get("TERM", "").startswith(FAMILIES)


@runtime_checkable
class TitleSetter(Protocol):
    """A driver that can set the title of its terminal."""

    def set_title(self, title: str) -> None:
        """Set the title, also again after the app was suspended."""
        ...


def titled(driver: type[Driver]) -> type[Driver]:
    """A driver like the given one that can set the title of its terminal, and restores it."""

    class TitledDriver(driver):  # type: ignore[valid-type, misc]
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            self._title = ""
            self._is_drawing = False

        def set_title(self, title: str) -> None:
            if title != self._title:
                self._title = title
                self._write_title(set_title(title))

        def start_application_mode(self) -> None:
            super().start_application_mode()
            self._is_drawing = True
            self._write_title(SAVE + (set_title(self._title) if self._title else ""))

        def stop_application_mode(self) -> None:
            self._write_title(RESTORE)
            self._is_drawing = False
            super().stop_application_mode()

        def _write_title(self, sequence: str) -> None:
            if self._is_drawing and has_title(os.environ):
                self.write(sequence)

    return TitledDriver
