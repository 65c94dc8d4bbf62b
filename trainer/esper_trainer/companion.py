"""The aggregator that is started along with a training."""

import sys

from esper_bus.net.discovery import IDLE_EXIT_S, aggregator_alive, start_aggregator
from esper_schemas.errors import EsperError
from esper_trainer.request import TrainingRequest


def have_aggregator(request: TrainingRequest, who: str) -> None:
    """Start an aggregator if none runs; training goes on without one, since it records by itself."""
    if request.aggregator or aggregator_alive(request.runs_dir):
        return
    try:
        start_aggregator(request.runs_dir, IDLE_EXIT_S)
    except EsperError as error:
        sys.stderr.write(f"{who}: recording without an aggregator: {error}\n")
