"""`python -m esper_trainer`: train and record, with a line per update; no screen, no aggregator."""

import argparse
import sys
from collections.abc import Sequence

from esper_bus.errors import BusError
from esper_bus.names import check_name
from esper_trainer.config import ConfigError
from esper_trainer.options import (
    add_training_arguments,
    client_keys,
    config_from,
    ingest_endpoint,
    run_name,
)
from esper_trainer.progress import summary_lines, update_line


def main(argv: Sequence[str] | None = None) -> int:
    """Train; returns the exit code. What a user can cause becomes one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m esper_trainer", description=__doc__)
    add_training_arguments(parser)
    arguments = parser.parse_args(argv)
    try:
        return _train(arguments)
    except (ConfigError, BusError) as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 1


def _train(arguments: argparse.Namespace) -> int:
    config, ingest, keys = config_from(arguments), ingest_endpoint(arguments), client_keys(arguments)
    run_dir = arguments.runs_dir / check_name("run", run_name(arguments))
    from esper_trainer.device import resolve_device  # torch takes a while: mistakes come first
    from esper_trainer.session import record_training

    resolve_device(config.device)
    recorded = record_training(config, run_dir, ingest, lambda report: _say(update_line(report)), keys)
    _say("\n".join(summary_lines(recorded.summary, run_dir)))
    return 0 if recorded.summary.outcome == "completed" and not recorded.lost else 1


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
