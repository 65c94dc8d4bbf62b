"""The aggregator that is started along with a training."""

import argparse
import sys

from esper_bus.errors import BusError
from esper_bus.net.discovery import IDLE_EXIT_S, aggregator_alive, start_aggregator


def have_aggregator(arguments: argparse.Namespace, who: str) -> None:
    """Start an aggregator if none runs; training goes on without one, since it records by itself."""
    if arguments.aggregator or aggregator_alive(arguments.runs_dir):
        return
    try:
        start_aggregator(arguments.runs_dir, IDLE_EXIT_S)
    except BusError as error:
        sys.stderr.write(f"{who}: recording without an aggregator: {error}\n")
