"""The command line of the aggregator, shared by `esper aggregate` and `python -m esper_aggregator`."""

import argparse
import math
import signal
from pathlib import Path

from esper_aggregator.service import Aggregator
from esper_bus import addresses, paths
from esper_bus.host.process_logging import configure_logging
from esper_bus.host.resources import raise_fd_limit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the aggregator's options."""
    parser.add_argument(
        "--runs-dir",
        type=Path,
        default=paths.default_runs_dir(),
        help="where runs are kept (default: %(default)s)",
    )
    parser.add_argument(
        "--listen",
        metavar="URL",
        help="tcp://HOST:PORT, besides the ipc endpoint of the runs directory, which is the default; or "
        "ipc:///directory in its place, which trainers and screens of this machine must name then",
    )
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="DIR",
        default=addresses.default_keys(),
        help="directory of `esper keys`: who may come in over tcp (needed beyond this machine)",
    )
    parser.add_argument(
        "--idle-exit",
        type=_seconds,
        metavar="SECONDS",
        help="stop once no trainer and no viewer has been seen for so long (default: never)",
    )
    parser.add_argument("--log-json", action="store_true", help="log JSON lines instead of key=value")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def run(arguments: argparse.Namespace) -> int:
    """Serve in the foreground until SIGINT or SIGTERM; returns the exit code."""
    configure_logging(json=arguments.log_json)
    raise_fd_limit()
    endpoints = (
        addresses.parse(arguments.listen, keyed=arguments.keys is not None)
        if arguments.listen
        else addresses.for_runs_dir(arguments.runs_dir)
    )
    aggregator = Aggregator(
        arguments.runs_dir, endpoints, idle_exit_s=arguments.idle_exit, keys=arguments.keys
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: aggregator.stop())
    aggregator.serve()
    return 0
