"""One training, recorded: the emitter around the runner."""

from pathlib import Path

from esper_bus.emitter import Emitter
from esper_trainer.config import TrainingConfig
from esper_trainer.progress import TrainingSummary
from esper_trainer.runner import OnUpdate, Trainer

PRODUCER = "trainer:0"
"""The name of the only trainer process of a run."""


def record_training(
    config: TrainingConfig, run_dir: Path, ingest: str | None, on_update: OnUpdate | None = None
) -> TrainingSummary:
    """Train, and record it in `run_dir`; `ingest` is the aggregator's address, None for no aggregator."""
    emitter = Emitter(run_dir.name, PRODUCER, run_dir, ingest)
    try:
        return Trainer(config, emitter, on_update).run()
    finally:
        emitter.close()
