"""`esper state PATH`: the snapshot that a recorded run folds to."""

import argparse
from pathlib import Path

from esper_aggregator.fold.projection import project
from esper_aggregator.replay import fold_at, snapshot_of
from esper_cli.output.damage_report import say_damage
from esper_schemas.codec import to_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `esper state`."""
    parser.add_argument("path", type=Path, help="a run directory or an .mcap file")
    parser.add_argument("--at", type=int, metavar="SEQ", help="fold only the first SEQ events")


def run(arguments: argparse.Namespace) -> int:
    """Print the snapshot as JSON."""
    path, at = arguments.path, arguments.at
    say = say_damage("esper state", path)
    snapshot = snapshot_of(path, on_damage=say) if at is None else project(fold_at(path, at, say))
    print(to_json(snapshot, indent=2))
    return 0
