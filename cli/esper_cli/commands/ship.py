"""`esper ship RUN`: send a run to an aggregator that its trainers did not reach."""

import argparse
from pathlib import Path

from esper_bus import addresses
from esper_bus.auth.keys import client_keys_for
from esper_bus.net.ship import ship
from esper_cli.output.command_failure import CommandError
from esper_cli.output.damage_report import say_damage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `esper ship`."""
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="the directory of a run that has ended")
    parser.add_argument(
        "--aggregator", required=True, metavar="URL", help="tcp://HOST:PORT or ipc:///directory"
    )
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="FILE",
        default=addresses.default_keys(),
        help="a key that may ingest, made by `esper keys add` where the aggregator runs",
    )


def run(arguments: argparse.Namespace) -> int:
    """Send it, and say what the aggregator has of each trainer."""
    run_dir, keys = arguments.run_dir, arguments.keys
    if not run_dir.is_dir():
        raise CommandError(f"{run_dir} is not the directory of a run; name one")
    ingest = addresses.parse(arguments.aggregator, keyed=keys is not None).ingest
    say = say_damage("esper ship", run_dir)
    for stream, events in ship(run_dir, ingest, client_keys_for(ingest, keys), on_damage=say):
        print(f"{stream.run}/{stream.producer}: the aggregator has all {events} events")
    return 0
