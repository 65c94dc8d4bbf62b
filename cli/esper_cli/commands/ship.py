"""`esper ship RUN`: send a run to an aggregator that its trainers did not reach."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from esper_bus import addresses
from esper_bus.auth.keys import client_keys_for
from esper_bus.net.ship import ship
from esper_cli.options.command import Command
from esper_cli.options.option import AGGREGATOR_URL, ClientKey, Option, default_client_key
from esper_cli.output.command_failure import CommandError
from esper_cli.output.damage_report import damage_reporter
from esper_cli.output.echo import echo


@dataclass(frozen=True, kw_only=True)
class ShipOptions:
    """Send a run to an aggregator that its trainers did not reach.

    The run must have ended. Events that the aggregator already has are not sent again.
    """

    run_dir: Annotated[Path, Option("directory of the run", positional=True, metavar="RUN")]
    aggregator: Annotated[str, AGGREGATOR_URL]
    keys: ClientKey = field(default_factory=default_client_key)


def run(options: ShipOptions) -> int:
    """Send the run and print what the aggregator has of each trainer."""
    run_dir, keys = options.run_dir, options.keys
    if not run_dir.is_dir():
        raise CommandError(f"{run_dir} is not a run directory; choose another path")
    ingest = addresses.parse(options.aggregator, keyed=keys is not None).ingest
    report = damage_reporter("esper ship", run_dir)
    for stream, events in ship(run_dir, ingest, client_keys_for(ingest, keys), on_damage=report):
        echo(f"{stream.run}/{stream.producer}: the aggregator has all {events} events")
    return 0


COMMAND = Command(ShipOptions, run)
