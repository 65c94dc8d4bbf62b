"""`esper replay PATH`: publish a recorded run to viewers, as if it was recorded now."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from esper_aggregator.past.update_range import range_of_updates
from esper_aggregator.replaying.recorded_clock import RecordedClock
from esper_aggregator.replaying.recorded_fold import fold_difference
from esper_aggregator.replaying.replay_service import ReplayService
from esper_aggregator.replaying.replayed_run import Phase, ReplayedRun
from esper_bus import addresses
from esper_bus.host.resources import raise_fd_limit
from esper_cli.options.command import Command
from esper_cli.options.option import FirstUpdate, LastUpdate, Option, RecordedRun
from esper_cli.options.thresholds_option import THRESHOLDS, given_thresholds
from esper_cli.output.damage_report import damage_reporter
from esper_cli.output.echo import echo, warn

FASTEST = 1_000_000.0
_COMMAND = "esper replay"
_REPORTS: dict[Phase, str] = {
    "replaying": "replaying {run}",
    "following": "{run} ends here, at event {position:,}; what is added to it is shown as it arrives",
    "stopped": "{run} is stopped at event {position:,}; press Ctrl-C to end",
}


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """Publish a recorded run to viewers at the pace at which it was recorded, or faster.

    Viewers see what they would have seen while it was recorded. The replay begins when the first viewer
    connects; after the end of the recording, a run that is still being written is followed. A time of more
    than ten minutes without events is shortened to a second. Ends at Ctrl-C or SIGTERM.
    """

    path: RecordedRun
    speed: Annotated[
        float,
        Option(
            "multiple of the recorded pace",
            metavar="X",
            minimum=0,
            exclusive=True,
            maximum=FASTEST,
        ),
    ] = 1.0
    first: FirstUpdate = None
    last: LastUpdate = None
    listen: Annotated[
        str | None,
        Option(
            "tcp://HOST:PORT or ipc:///DIRECTORY to listen at (default: a socket, which is printed)",
            "connections",
            metavar="URL",
        ),
    ] = None
    server_keys: Annotated[
        Path | None,
        Option(
            "key directory made by `esper keys init`, required to listen beyond this machine; only clients "
            "with the right to view are admitted over tcp",
            "connections",
            metavar="DIR",
        ),
    ] = None
    thresholds: Annotated[Path | None, THRESHOLDS] = None


def run(options: ReplayOptions) -> int:
    """Replay until SIGINT or SIGTERM."""
    raise_fd_limit()
    clock = RecordedClock(options.speed)
    replayed = _replayed(options, clock)
    if difference := fold_difference(options.path):
        warn(_COMMAND, difference)
    with _address(options) as (url, endpoints):
        service = ReplayService(
            options.path, replayed, clock, endpoints, options.server_keys, _phase_reporter(replayed)
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: service.stop())
        _say(f"run `sanctum {url}` to watch {replayed.name}; the replay begins then")
        service.serve()
    return 0


def _replayed(options: ReplayOptions, clock: RecordedClock) -> ReplayedRun:
    report = damage_reporter(_COMMAND, options.path)
    begin, end = 0, None
    if options.first is not None or options.last is not None:
        found = range_of_updates(options.path, options.first, options.last, report)
        begin, end = found.first, None if options.last is None else found.last
    given = given_thresholds(options.thresholds, options.path)
    return ReplayedRun(options.path, clock, begin, end, given=given, on_damage=report)


@contextmanager
def _address(options: ReplayOptions) -> Iterator[tuple[str, addresses.Endpoints]]:
    """The address to listen at; a directory for sockets that was made for this replay is removed at the end.

    Raises `InvalidArgument` for an address that cannot be used.
    """
    if options.listen is not None:
        yield options.listen, addresses.parse(options.listen, keyed=options.server_keys is not None)
        return
    directory = addresses.runtime_base() / f"replay-{os.getpid()}"
    url = f"ipc://{directory}"
    try:
        yield url, addresses.parse(url)
    finally:
        for socket in directory.glob("*"):
            socket.unlink(missing_ok=True)
        with suppress(OSError):
            directory.rmdir()


def _phase_reporter(replayed: ReplayedRun) -> Callable[[Phase], None]:
    def report(phase: Phase) -> None:
        if phase in _REPORTS:
            _say(_REPORTS[phase].format(run=replayed.name, position=replayed.position))

    return report


def _say(line: str) -> None:
    echo(line)
    sys.stdout.flush()


COMMAND = Command(ReplayOptions, run)
