"""`esper state PATH`: the snapshot that a recorded run folds to."""

from dataclasses import dataclass
from typing import Annotated

from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.replay import fold_at, fold_path
from esper_cli.options.command import Command
from esper_cli.options.option import Option, RecordedRun
from esper_cli.output.command_failure import CommandError
from esper_cli.output.damage_report import damage_reporter
from esper_cli.output.echo import echo_json


@dataclass(frozen=True, kw_only=True)
class StateOptions:
    """Print the state of a recorded run as JSON: all that Sanctum shows, findings first."""

    path: RecordedRun
    at: Annotated[
        int | None, Option("print the state after the first N events (default: all)", metavar="N", minimum=0)
    ] = None


def run(options: StateOptions) -> int:
    """Print the snapshot as JSON."""
    echo_json(project(_state(options)), indent=2)
    return 0


def _state(options: StateOptions) -> RunState:
    path, at = options.path, options.at
    report = damage_reporter("esper state", path)
    if at is None:
        return fold_path(path, on_damage=report)
    state = fold_at(path, at, on_damage=report)
    if state.events_folded < at:
        raise CommandError(
            f"{path} has only {state.events_folded:,} events; choose a smaller number for --at"
        )
    return state


COMMAND = Command(StateOptions, run)
