"""`esper ppo`: train a policy, record every update, and open Sanctum on it."""

import importlib.util
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from esper_bus.host.process_logging import configure_logging
from esper_bus.names import check_name
from esper_cli.options.command import Command
from esper_cli.options.dataclass_options import command_line
from esper_cli.options.option import LogJson, Option
from esper_cli.options.training_options import TrainingOptions
from esper_cli.output.command_failure import CommandError
from esper_cli.output.echo import echo
from esper_cli.output.training_progress import progress
from esper_cli.screen.training_screen import train_beside_sanctum
from esper_trainer.ranks.rank_launcher import train_with_ranks
from esper_trainer.request import TrainingRequest
from esper_trainer.run.progress_report import summary_lines
from esper_trainer.run.run_directory import create_run_dir, require_run


@dataclass(frozen=True, kw_only=True)
class PpoOptions(TrainingOptions):
    """Train a policy with PPO, record every update, and open Sanctum on a terminal.

    Starts an aggregator unless one is running. Quitting Sanctum does not stop the training.
    """

    ranks: Annotated[
        int,
        Option(
            "train with N processes on this machine, which share the environments",
            "processes",
            metavar="N",
            minimum=1,
        ),
    ] = 1
    no_tui: Annotated[bool, Option("print progress instead of opening Sanctum", "output")] = False
    log_json: LogJson = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.resume:
            self.request().config().share(self.ranks)


def run(options: PpoOptions) -> int:
    """Train; returns 0 if all updates were made and recorded."""
    configure_logging(json=options.log_json)
    _require_torch()
    if not options.resume:
        options = replace(options, name=options.request().run_name())
    if options.no_tui or not (sys.stdout.isatty() and sys.stdin.isatty()):
        return _train_with_ranks(options) if options.ranks > 1 else _train(options.request())
    command = [sys.executable, "-m", "esper_cli", "ppo", *command_line(replace(options, no_tui=True))]
    return train_beside_sanctum(options.request(), command, _run_dir(options))


def _require_torch() -> None:
    if importlib.util.find_spec("torch") is None:
        raise CommandError(
            "training needs torch; install it with: pip install 'esper-lite[trainer]' "
            "(in a checkout: pip install -e '.[trainer]')"
        )


def _run_dir(options: PpoOptions) -> Path:
    """The directory of the run, created for a new one; a run to be resumed has a checkpoint in it."""
    request = options.request()
    if not request.resume:
        return create_run_dir(request.runs_dir, request.run_name())
    if options.ranks > 1:  # only all processes together know which checkpoint
        run_dir = request.runs_dir / check_name("run", request.run_name())
        require_run(run_dir)
        return run_dir
    # torch is imported here, too, so that mistakes are reported before a screen opens
    from esper_trainer.session import plan

    return plan(request).run_dir


def _train_with_ranks(options: PpoOptions) -> int:
    """Train in several processes, of which the first prints its progress."""
    request = options.request()
    if not request.resume:
        create_run_dir(request.runs_dir, request.run_name())
    return train_with_ranks(command_line(options, TrainingOptions), options.ranks)


def _train(request: TrainingRequest) -> int:
    """Train in this process, with progress on stdout."""
    from esper_trainer.session import plan, record_training

    request.client_keys()  # a mistake is reported before there is a run
    planned = plan(request)
    with progress(planned.config.episodes) as on_update:
        recorded = record_training(planned, request.aggregator or True, on_update, keys=request.keys)
    echo(*summary_lines(recorded.summary, planned.run_dir))
    if recorded.lost:
        why = recorded.events.problem or "see the warnings above"
        raise CommandError(f"{recorded.lost} of {recorded.events.emitted} events were not recorded: {why}")
    return 0 if recorded.summary.outcome == "completed" else 1


COMMAND = Command(PpoOptions, run)
