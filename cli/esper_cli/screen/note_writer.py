"""Writes the notes of the user of a screen, in threads, so that the screen never waits."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

from msgspec import structs

from esper_bus import addresses
from esper_bus.addresses import Endpoints
from esper_bus.auth.keys import ClientKeys, client_keys_for
from esper_cli.output.user_name import user_name
from esper_cli.screen.source_selection import is_recorded, local_endpoints
from esper_schemas.errors import EsperError
from esper_schemas.events import Annotated
from esper_schemas.notes import NoteWriter

Deliver = Callable[[str, Annotated, int], int | None]
"""Writes a note about a run at a time; returns its update. Raises `EsperError`."""


class ThreadedNotes:
    """Calls `deliver` in a thread for each note, as a `NoteWriter`."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._outcomes: SimpleQueue[str] = SimpleQueue()

    def write(self, run: str, note: Annotated) -> None:
        """Begin to write a note."""
        named = note if note.who else structs.replace(note, who=user_name())
        threading.Thread(target=self._write, args=(run, named, time.time_ns()), daemon=True).start()

    def outcomes(self) -> Iterator[str]:
        """Yield what became of the notes since the last call."""
        while True:
            try:
                yield self._outcomes.get_nowait()
            except Empty:
                return

    def _write(self, run: str, note: Annotated, emitted_ns: int) -> None:
        try:
            update = self._deliver(run, note, emitted_ns)
        except (EsperError, OSError) as error:
            self._outcomes.put(str(error))
        else:
            self._outcomes.put("Noted." if update is None else f"Noted about update {update:,}.")


def note_writer(target: str | None, key_file: Path | None = None) -> NoteWriter | None:
    """Return what writes the notes about the runs of a target of `open_source`; None for a single file."""
    if is_recorded(target):
        return notes_of_run(Path(target))
    if target is None:
        return notes_of_aggregator(local_endpoints)
    endpoints = addresses.parse(target, keyed=key_file is not None)
    return notes_of_aggregator(lambda: endpoints, client_keys_for(endpoints.ingest, key_file))


def notes_of_run(run_dir: Path) -> NoteWriter | None:
    """Write notes about a run directory; None for a single file, which is never changed."""
    if not run_dir.is_dir():
        return None

    def deliver(run: str, note: Annotated, emitted_ns: int) -> int | None:
        from esper_aggregator.notes import deliver_note

        return deliver_note(run_dir, note, emitted_ns)

    return ThreadedNotes(deliver)


def notes_of_aggregator(resolve: Callable[[], Endpoints], keys: ClientKeys | None = None) -> NoteWriter:
    """Write notes about the runs of an aggregator, whose addresses `resolve` returns."""

    def deliver(run: str, note: Annotated, emitted_ns: int) -> int | None:
        from esper_bus.net.note_client import send_note
        from esper_bus.protocol.query_messages import NoteQuery

        return send_note(resolve(), NoteQuery(run, note.text, note.who, emitted_ns, note.update), keys)

    return ThreadedNotes(deliver)
