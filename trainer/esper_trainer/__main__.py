"""`python -m esper_trainer`: train and record, with a line per update and no screen.

Under `torchrun` several of these train one policy, and the first starts an aggregator.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from esper_schemas.errors import EsperError
from esper_trainer.options import add_training_arguments, request_from
from esper_trainer.request import TrainingRequest
from esper_trainer.run.progress_report import summary_lines, update_line
from esper_trainer.run.run_directory import recovery_advice

if TYPE_CHECKING:
    from esper_trainer.ranks.lost_ranks import RankLostError
    from esper_trainer.ranks.process_group import ProcessGroup


def main(argv: Sequence[str] | None = None) -> int:
    """Train; returns the exit code. What a user can cause becomes one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m esper_trainer", description=__doc__)
    add_training_arguments(parser)
    arguments = parser.parse_args(argv)
    try:
        return _train(request_from(arguments))
    except EsperError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 1


def _train(request: TrainingRequest) -> int:
    config = request.config()
    request.client_keys()
    # torch takes a while to import: mistakes are reported before
    from esper_trainer.ranks.lost_ranks import RankLostError
    from esper_trainer.ranks.process_group import join_group
    from esper_trainer.session import ReportedElsewhereError

    group = join_group(config.device, request.patience_s)
    try:
        return _train_in(group, request)
    except RankLostError as error:
        return _without_rank(error, request)
    except ReportedElsewhereError:
        return 1
    finally:
        group.close()


def _train_in(group: "ProcessGroup", request: TrainingRequest) -> int:
    """Train as one process of a group; the first one reports, and starts an aggregator for several."""
    from esper_trainer.session import plan, record_training

    reporter = group.rank == 0
    if group.any(_is_restart()) and request.name:
        request = replace(request, resume=True)
    planned = plan(request, group)
    aggregator = request.aggregator or (True if reporter and group.world_size > 1 else None)
    on_update = (lambda report: _say(update_line(report))) if reporter else None
    recorded = record_training(planned, aggregator, on_update, keys=request.keys, group=group)
    if reporter:
        _say("\n".join(summary_lines(recorded.summary, planned.run_dir)))
    return 0 if recorded.summary.outcome == "completed" and not recorded.lost else 1


def _is_restart() -> bool:
    """Whether torchrun starts these processes anew because one of them had failed."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def _without_rank(error: "RankLostError", request: TrainingRequest) -> int:
    """Say once who is gone and what to do."""
    cure = recovery_advice(request.runs_dir / request.run_name())
    if error.reporter:
        sys.stderr.write(f"python -m esper_trainer: {error} {cure[0].upper()}{cure[1:]}.\n")
    return 1


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
