"""The aggregator as a process of its own: its settings and its signals."""

import signal
from dataclasses import dataclass
from pathlib import Path

from esper_aggregator.service import Aggregator
from esper_bus import addresses
from esper_bus.host.resources import raise_fd_limit
from esper_schemas.declarations import RunThresholds


@dataclass(frozen=True, kw_only=True)
class AggregatorSettings:
    """The settings of an aggregator.

    listen: an address for clients beyond the socket of the runs directory, or an ipc address in its place.
    keys: the directory of its keys, for tcp. idle_exit_s: seconds without clients after which it exits,
    None for never. thresholds: bounds of all runs in place of their own.
    """

    runs_dir: Path
    listen: str | None = None
    keys: Path | None = None
    idle_exit_s: float | None = None
    thresholds: RunThresholds | None = None

    def endpoints(self) -> addresses.Endpoints:
        """The addresses to listen at. Raises `InvalidArgument` for one that cannot be used."""
        if self.listen is None:
            return addresses.for_runs_dir(self.runs_dir)
        return addresses.parse(self.listen, keyed=self.keys is not None)


def serve_until_stopped(settings: AggregatorSettings) -> None:
    """Serve in the foreground until SIGINT or SIGTERM, or until idle. Raises `EsperError` as `Aggregator`."""
    raise_fd_limit()
    aggregator = Aggregator(
        settings.runs_dir,
        settings.endpoints(),
        idle_exit_s=settings.idle_exit_s,
        keys=settings.keys,
        thresholds=settings.thresholds,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: aggregator.stop())
    aggregator.serve()
