"""`esper state PATH`: the snapshot that a recorded run folds to, at its end or at any moment."""

from dataclasses import dataclass
from typing import Annotated

from esper_aggregator.fold.projection import project
from esper_aggregator.past.open_past import open_past
from esper_aggregator.past.steps import finish
from esper_cli.options.command import Command
from esper_cli.options.option import Option, RecordedRun
from esper_cli.output.command_failure import CommandError
from esper_cli.output.damage_report import damage_reporter
from esper_cli.output.echo import echo_json
from esper_cli.output.reading_progress import folded_run, reading_progress
from esper_schemas import moment_text
from esper_schemas.errors import InvalidArgument
from esper_schemas.history import PastSnapshot
from esper_schemas.snapshot import SanctumSnapshot


@dataclass(frozen=True, kw_only=True)
class StateOptions:
    """Print the state of a recorded run as JSON: all that Sanctum shows, findings first."""

    path: RecordedRun
    at: Annotated[
        str | None,
        Option(
            f"state at a moment: {moment_text.HELP}, or after N events (default: the end)",
            metavar="MOMENT",
        ),
    ] = None


def run(options: StateOptions) -> int:
    """Print the snapshot as JSON."""
    echo_json(_snapshot(options), indent=2)
    return 0


def _snapshot(options: StateOptions) -> SanctumSnapshot:
    report = damage_reporter("esper state", options.path)
    if options.at is None:
        return project(folded_run("esper state", options.path, report))
    with reading_progress("esper state", options.path) as show:
        past = open_past(options.path, on_damage=report, on_progress=show)
    text = f"event:{options.at}" if options.at.isdecimal() else options.at
    try:
        moment = moment_text.moment_of(text, past.marks())
    except InvalidArgument as error:
        raise CommandError(f"{options.path}: {error}") from error
    answer: PastSnapshot = finish(past.snapshot(moment))
    return answer.snapshot


COMMAND = Command(StateOptions, run)
