"""`esper follow LOGDIR`: record what another program writes into its log, while it writes it."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

from esper_bus import paths
from esper_cli.commands.import_ import MappingFile, RunName, mapping_of, report
from esper_cli.options.command import Command
from esper_cli.options.option import AGGREGATOR_URL, ClientKey, Option, RunsDir, default_client_key
from esper_cli.output.echo import echo, warn
from esper_lite.connection import aggregator_address
from esper_lite.importing.follow_logs import POLL_S, Destination, LogFollower, Outcome

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, kw_only=True)
class FollowOptions:
    """Record what another program writes into its log directory, while it writes it.

    Reads what `esper import` reads, except for W&B's files, and sends it to the aggregator, which is started
    if none is running: `sanctum` shows the training. Ends at Ctrl-C or SIGTERM; started again, it continues
    where it was.
    """

    path: Annotated[
        Path, Option("log directory, which need not exist yet, or a file", positional=True, metavar="LOGDIR")
    ]
    name: RunName = None
    mapping: MappingFile = None
    idle_exit: Annotated[
        float | None,
        Option("end once nothing was added for this long (default: never)", metavar="SECONDS", minimum=0),
    ] = None
    runs_dir: RunsDir = field(default_factory=paths.default_runs_dir)
    aggregator: Annotated[str | None, AGGREGATOR_URL] = None
    keys: ClientKey = field(default_factory=default_client_key)


def run(options: FollowOptions) -> int:
    """Follow until a signal, or until nothing was added for `idle_exit`."""
    mapping = mapping_of(options.mapping)
    ingest, keys = aggregator_address(options.runs_dir, options.aggregator or True, options.keys)
    follower = LogFollower(options.path, Destination(options.runs_dir, ingest, keys), options.name, mapping)
    echo(f"following {options.path}; run `sanctum` to watch, press Ctrl-C to end")
    outcome: Outcome = "interrupted"
    try:
        with _stopped_by_signals() as stop:
            outcome = _follow(follower, stop, options.idle_exit)
    finally:
        for imported in follower.close(outcome, "esper follow ended"):
            echo(*report(imported))
    return 0


def _follow(follower: LogFollower, stop: threading.Event, idle_exit: float | None) -> Outcome:
    """Poll until a signal arrives, or until nothing was added for a time."""
    while not stop.is_set():
        for found in follower.poll():
            echo(f"recording {found.origin} as {found.run_dir}")
        for problem in follower.take_problems():
            warn("esper follow", problem)
        sys.stdout.flush()
        if idle_exit is not None and follower.quiet_s >= idle_exit:
            return "completed"
        stop.wait(POLL_S)
    return "interrupted"


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; a second signal ends the process at once."""
    stop = threading.Event()

    def request_stop(number: int, _: FrameType | None) -> None:
        stop.set()
        signal.signal(number, previous[number])

    previous: dict[int, Any] = {number: signal.signal(number, request_stop) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


COMMAND = Command(FollowOptions, run)
