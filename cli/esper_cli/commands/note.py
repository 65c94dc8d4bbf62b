"""`esper note RUN TEXT`: write a note about a run, which everyone who views the run can see."""

import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from esper_aggregator.notes import deliver_note
from esper_aggregator.past.open_past import open_past
from esper_aggregator.past.steps import finish
from esper_bus import addresses
from esper_bus.auth.keys import ClientKeys, client_keys_for
from esper_bus.names import check_name
from esper_bus.net.note_client import send_note
from esper_bus.net.remote_history import RemoteHistory
from esper_bus.protocol.query_messages import NoteQuery
from esper_bus.store.run_reader import readable_files
from esper_cli.options.command import Command
from esper_cli.options.option import AGGREGATOR_URL, ClientKey, Option, default_client_key
from esper_cli.output.command_failure import CommandError
from esper_cli.output.echo import echo
from esper_cli.output.user_name import user_name
from esper_cli.screen.history_selection import snapshot_at
from esper_schemas import events, moment_text
from esper_schemas.errors import InvalidArgument
from esper_schemas.history import AtUpdate
from esper_schemas.notes import checked_note


@dataclass(frozen=True, kw_only=True)
class NoteOptions:
    """Write a note about a run: a mark that everyone who views the run can see.

    It becomes an event of the run's log, through the aggregator if one is running, and is never changed.
    """

    run: Annotated[
        str, Option("run directory; with --aggregator, the name of a run", positional=True, metavar="RUN")
    ]
    text: Annotated[str, Option("the note, one line of text", positional=True, metavar="TEXT")]
    at: Annotated[
        str | None,
        Option(
            f"what it is about: {moment_text.HELP} (default: the present update)",
            metavar="MOMENT",
        ),
    ] = None
    who: Annotated[str, Option("who writes it", metavar="NAME")] = field(default_factory=user_name)
    aggregator: Annotated[str | None, AGGREGATOR_URL] = None
    keys: ClientKey = field(default_factory=default_client_key)


def run(options: NoteOptions) -> int:
    """Write the note, and print the update that it is about."""
    note = checked_note(options.text, options.who)
    if options.aggregator is not None:
        update = _send(options.aggregator, options, note)
    else:
        update = _write(Path(options.run), options, note)
    about = "" if update is None else f"update {update:,} of "
    echo(f"noted about {about}{Path(options.run).resolve().name}")
    return 0


def _send(url: str, options: NoteOptions, note: events.Annotated) -> int | None:
    endpoints = addresses.parse(url, keyed=options.keys is not None)
    name, keys = check_name("run", options.run), client_keys_for(endpoints.query, options.keys)
    update = None if options.at is None else _update_elsewhere(endpoints, name, options.at, keys)
    return send_note(endpoints, NoteQuery(name, note.text, note.who, time.time_ns(), update), keys)


def _update_elsewhere(
    endpoints: addresses.Endpoints, run: str, at: str, keys: ClientKeys | None
) -> int | None:
    """The update of a moment of a run of an aggregator, which is asked unless the moment is an update."""
    digits = at.removeprefix("update:").strip()
    if digits.isascii() and digits.isdecimal() and len(digits) < 19:
        return int(digits)
    with closing(RemoteHistory(lambda: endpoints, run, keys)) as history:
        past, _ = snapshot_at(history, at)
    return past.place.update


def _write(run_dir: Path, options: NoteOptions, note: events.Annotated) -> int | None:
    if not run_dir.is_dir():
        raise CommandError(f"{run_dir} is not a run directory; name one, or --aggregator URL")
    readable_files(run_dir)
    update = None if options.at is None else _update_at(run_dir, options.at)
    return deliver_note(run_dir, checked_note(note.text, note.who, update), time.time_ns())


def _update_at(run_dir: Path, text: str) -> int | None:
    """The update of a moment of a run. Raises `CommandError` for one that the run does not have."""
    past = open_past(run_dir)
    try:
        moment = moment_text.moment_of(text, past.marks())
    except InvalidArgument as error:
        raise CommandError(f"{run_dir}: {error}") from error
    if isinstance(moment, AtUpdate):
        return moment.update
    update: int | None = finish(past.snapshot(moment)).place.update
    return update


COMMAND = Command(NoteOptions, run)
