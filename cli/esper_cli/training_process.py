"""`python -m esper_trainer`: one process of a training, which prints a line per update and has no screen."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from esper_bus.host.process_logging import configure_logging
from esper_cli.options.argument_parser import OneSentenceParser
from esper_cli.options.command import Command, run_command_line
from esper_cli.options.training_options import TrainingOptions
from esper_cli.output.echo import echo, warn
from esper_cli.output.training_progress import print_update
from esper_trainer.config import TrainingConfig
from esper_trainer.request import TrainingRequest
from esper_trainer.run.progress_report import summary_lines
from esper_trainer.run.run_directory import recovery_advice

if TYPE_CHECKING:
    from esper_trainer.ranks.lost_ranks import RankLostError
    from esper_trainer.ranks.process_group import ProcessGroup

PROGRAM = "python -m esper_trainer"


@dataclass(frozen=True, kw_only=True)
class ProcessOptions(TrainingOptions):
    """Train and record in this process, with a line per update and no screen.

    Started several times by torchrun, the processes train one policy, and the first starts an aggregator.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Train; returns the exit code."""
    parser = OneSentenceParser(prog=PROGRAM)
    Command(ProcessOptions, run).add_to(parser)
    return run_command_line(parser, argv)


def run(options: ProcessOptions) -> int:
    """Train, alone or as one of the processes that the environment describes."""
    configure_logging()
    request = options.request()
    request.client_keys()  # torch takes a while to import: mistakes are reported before
    from esper_trainer.ranks.lost_ranks import RankLostError
    from esper_trainer.ranks.process_group import join_group
    from esper_trainer.session import ReportedElsewhereError

    device = str(request.settings.get("device", TrainingConfig.device))
    group = join_group(device, request.patience_s)
    try:
        return _train(group, request)
    except RankLostError as error:
        return _without_rank(error, request)
    except ReportedElsewhereError:
        return 1
    finally:
        group.close()


def _train(group: "ProcessGroup", request: TrainingRequest) -> int:
    """Train as one process of a group; the first one reports, and starts an aggregator for several."""
    from esper_trainer.session import plan, record_training

    is_first = group.rank == 0
    if group.any(_is_restart()) and request.name:
        request = replace(request, resume=True)
    planned = plan(request, group)
    aggregator = request.aggregator or (True if is_first and group.world_size > 1 else None)
    on_update = print_update if is_first else None
    recorded = record_training(planned, aggregator, on_update, keys=request.keys, group=group)
    if is_first:
        echo(*summary_lines(recorded.summary, planned.run_dir))
    return 0 if recorded.summary.outcome == "completed" and not recorded.lost else 1


def _is_restart() -> bool:
    """Whether torchrun has restarted the processes because one of them failed."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def _without_rank(error: "RankLostError", request: TrainingRequest) -> int:
    """Report once, from one of the processes, which one is lost and how to continue."""
    advice = recovery_advice(request.runs_dir / request.run_name())
    if error.reporter:
        warn(PROGRAM, f"{error} {advice[0].upper()}{advice[1:]}.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
