"""The cockpit as its user has chosen it, for every command that opens one."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from esper_cli.screen import browser_server
from esper_schemas.source import SnapshotSource

if TYPE_CHECKING:
    from esper_tui.app import SanctumApp
    from esper_tui.control.settings import Settings

SSH_RATE = 4.0
"""Pictures per second over ssh: a slow line shows no backlog, and nobody reads faster."""


def cockpit(
    source: SnapshotSource, *, theme: str | None = None, symbols: str | None = None, rate: float | None = None
) -> "SanctumApp":
    """An app with the choices that were kept, and over them, for this once, those that are given."""
    from esper_tui.control.redraw_schedule import FASTEST, SLOWEST
    from esper_tui.control.settings import settings_path

    settings, problem = choices(theme, symbols)
    rate = rate or (SSH_RATE if "SSH_CONNECTION" in os.environ else FASTEST)
    return _app_class()(
        source,
        frames_per_second=max(min(FASTEST, rate), SLOWEST),
        settings=settings,
        settings_file=None
        if browser_server.is_served()
        else settings_path(),  # Visitors change nothing here.
        notice=problem,
    )


def choices(theme: str | None, symbols: str | None) -> "tuple[Settings, str]":
    """What was kept with what is given over it, and what is wrong with the file."""
    from esper_tui.control.settings import load, settings_path

    kept, problem = load(settings_path())
    return replace(kept, theme=theme or kept.theme, symbols=symbols or kept.symbols), problem


def _app_class() -> "type[SanctumApp]":
    if browser_server.is_served():
        from esper_tui.serving.served_app import ServedApp

        return ServedApp
    from esper_tui.app import SanctumApp

    return SanctumApp
