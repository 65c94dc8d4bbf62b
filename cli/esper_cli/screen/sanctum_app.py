"""The Sanctum app with the settings that its user has chosen, for every command that opens one."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from esper_schemas.history import History
from esper_schemas.notes import NoteWriter
from esper_schemas.source import SnapshotSource

if TYPE_CHECKING:
    from esper_tui.app import SanctumApp
    from esper_tui.control.user_settings import Settings

SSH_RATE = 4.0
"""Frames per second over ssh: a slow connection falls behind with more, and nobody reads faster."""


def sanctum_app(
    source: SnapshotSource,
    open_history: Callable[[str], History],
    *,
    notes: NoteWriter | None = None,
    at: str = "",
    theme: str | None = None,
    symbols: str | None = None,
    rate: float | None = None,
) -> "SanctumApp":
    """An app with the saved settings; those that are given override them without being saved.

    `open_history` opens the past of a run by its name; `at` is the moment with which the app begins. `notes`
    writes the notes of the user; visitors in a browser write none.
    """
    from esper_tui.control.redraw_schedule import FASTEST, SLOWEST
    from esper_tui.control.user_settings import settings_path

    settings, problem = effective_settings(theme, symbols)
    rate = rate or (SSH_RATE if "SSH_CONNECTION" in os.environ else FASTEST)
    return _app_class()(
        source,
        open_history=open_history,
        notes=None if is_served() else notes,
        at=at,
        frames_per_second=max(min(FASTEST, rate), SLOWEST),
        settings=settings,
        settings_file=None if is_served() else settings_path(),  # a visitor's changes are not saved
        notice=problem,
    )


def effective_settings(theme: str | None, symbols: str | None) -> "tuple[Settings, str]":
    """The saved settings, overridden by those that are given, and what is wrong with the settings file."""
    from esper_tui.control.user_settings import load, settings_path

    saved, problem = load(settings_path())
    return replace(saved, theme=theme or saved.theme, symbols=symbols or saved.symbols), problem


_WEB_DRIVERS = ("esper_tui.serving.packet_driver:", "textual.drivers.web_driver:")
"""Where the drivers are that our server and Textual's own one name in the environment."""


def is_served() -> bool:
    """Whether this process draws in a browser instead of on a terminal."""
    return os.environ.get("TEXTUAL_DRIVER", "").startswith(_WEB_DRIVERS)


def _app_class() -> "type[SanctumApp]":
    if is_served():
        from esper_tui.serving.served_app import ServedApp

        return ServedApp
    from esper_tui.app import SanctumApp

    return SanctumApp
