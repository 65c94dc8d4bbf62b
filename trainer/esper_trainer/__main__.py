"""`python -m esper_trainer`: train and record, with a line per update; no screen, no aggregator."""

import argparse
import sys
from collections.abc import Sequence

from esper_bus.errors import BusError
from esper_trainer.config import ConfigError
from esper_trainer.options import add_training_arguments, client_keys, config_from, ingest_endpoint
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
    config_from(arguments)
    ingest, keys = ingest_endpoint(arguments), client_keys(arguments)
    from esper_trainer.session import plan, record_training  # torch takes a while: mistakes come first

    planned = plan(arguments)
    recorded = record_training(planned, ingest, lambda report: _say(update_line(report)), keys)
    _say("\n".join(summary_lines(recorded.summary, planned.run_dir)))
    return 0 if recorded.summary.outcome == "completed" and not recorded.lost else 1


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
