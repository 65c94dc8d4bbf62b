"""The line in which the user writes a note about the run that is shown."""

from functools import partial
from typing import Any

from textual.app import App

from esper_schemas.errors import InvalidArgument
from esper_schemas.notes import NoteWriter, checked_note
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.screens.prompt_screen import PromptScreen

NOTE, EXAMPLE = "Note", "one line, for everyone who views this run"
NO_NOTES = "Notes are written about a run directory or a run of an aggregator, and not in a browser."


def ask_for_note(app: App[Any], notes: NoteWriter | None, snapshot: SanctumSnapshot) -> None:
    """Ask for a note about the update of a snapshot, and let it be written."""
    if notes is None or not snapshot.run.run:
        app.notify(NO_NOTES, timeout=6)
        return
    update = snapshot.tamiyo.last_update or None
    title = NOTE if update is None else f"{NOTE} about update {update:,}"
    write = partial(_write, app, notes, snapshot.run.run, update)
    app.push_screen(PromptScreen(title, EXAMPLE), write)


def report_notes(app: App[Any], notes: NoteWriter | None) -> None:
    """Notify the user of what became of notes."""
    for outcome in notes.outcomes() if notes else ():
        app.notify(outcome, timeout=6)


def _write(app: App[Any], notes: NoteWriter, run: str, update: int | None, text: str | None) -> None:
    if not text:
        return
    try:
        notes.write(run, checked_note(text, update=update))
    except InvalidArgument as error:
        app.notify(str(error), severity="error", timeout=8)
