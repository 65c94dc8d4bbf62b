"""One training, recorded: the emitter around the runner."""

from pathlib import Path
from typing import NamedTuple

from esper_bus.emitter import Emitter, EmitterReport
from esper_bus.keys import ClientKeys
from esper_trainer.config import TrainingConfig
from esper_trainer.progress import TrainingSummary
from esper_trainer.runner import OnUpdate, Trainer

PRODUCER = "trainer:0"
"""The name of the only trainer process of a run."""


class Recorded(NamedTuple):
    """How a training went, and what became of its events."""

    summary: TrainingSummary
    events: EmitterReport

    @property
    def lost(self) -> int:
        """Events that neither a spool nor an aggregator's log holds."""
        kept = self.events.emitted - self.events.dropped
        return self.events.dropped + max(0, kept - max(self.events.spooled, self.events.acknowledged))


def record_training(
    config: TrainingConfig,
    run_dir: Path,
    ingest: str | None,
    on_update: OnUpdate | None = None,
    keys: ClientKeys | None = None,
) -> Recorded:
    """Train, and record it in `run_dir`; `ingest` is the aggregator's address, None for no aggregator."""
    emitter = Emitter(run_dir.name, PRODUCER, run_dir, ingest, keys=keys)
    try:
        summary = Trainer(config, emitter, on_update).run()
    finally:
        report = emitter.close()
    return Recorded(summary, report)
