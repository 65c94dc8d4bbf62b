"""How long saving a checkpoint takes: the call that training waits for, and the writing in the background."""

import statistics
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import torch

from esper_trainer.config import TrainingConfig
from esper_trainer.learner.learner import Learner, LearnerState
from esper_trainer.run.checkpoint_file import CheckpointFiles, TrainingCheckpoint
from esper_trainer.run.checkpoint_writer import CheckpointWriter

ROUNDS = 20


def main() -> None:
    """Save a learner of the default size repeatedly; print medians in milliseconds."""
    torch.set_num_threads(1)
    config = TrainingConfig()
    learner = Learner(config, torch.device("cpu"))
    learner.ppo.update(learner.collector.collect(lambda: None).transitions)
    waited, written = [], []
    with tempfile.TemporaryDirectory() as directory:
        checkpoints = CheckpointWriter(CheckpointFiles(Path(directory)), every=1)
        for update in range(ROUNDS):
            state = LearnerState(learner.tensors(), learner.generator_states())
            began = time.perf_counter()
            checkpoints.save(TrainingCheckpoint(update, asdict(config), 0, 1, 0.0, state))
            waited.append(time.perf_counter() - began)
            checkpoints.wait()
            written.append(time.perf_counter() - began)
        size = CheckpointFiles(Path(directory)).path(ROUNDS - 1).stat().st_size
    print(f"training waits {statistics.median(waited) * 1e3:.2f} ms (best {min(waited) * 1e3:.2f} ms)")
    print(f"on disk after {statistics.median(written) * 1e3:.1f} ms; {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
