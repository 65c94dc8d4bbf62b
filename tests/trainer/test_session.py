"""A training and its recording."""

import subprocess
import sys

import pytest

pytest.importorskip("torch")

from esper_bus.emit.emitter import Emitter
from esper_bus.store.run_reader import read_records
from esper_lite import Telemetry
from esper_schemas.errors import InvalidArgument
from esper_schemas.events import EventsDropped, LogRecorded
from esper_trainer.config import TrainingConfig
from esper_trainer.runner import Trainer
from esper_trainer.session import RecordedTraining, TrainingPlan, record_training


@pytest.mark.slow
def test_a_spool_that_is_full_loses_what_no_aggregator_took(tmp_path):
    """The training continues and reports the number of lost events and the reason."""
    config = TrainingConfig(environments=4, hidden_size=16, threads=1, episodes=4)
    emitter = Emitter("full", "trainer:0", tmp_path, spool_quota=200_000)  # less than `connect` allows
    trainer = Trainer(config, lambda started: Telemetry(emitter, started))
    recorded = RecordedTraining(trainer.run(), trainer.recorded)

    assert recorded.summary.outcome == "completed"
    kept = [r for r in read_records(tmp_path) if not isinstance(r.event, EventsDropped | LogRecorded)]

    assert 0 < recorded.lost < recorded.events.emitted
    assert recorded.lost == recorded.events.emitted - len(kept)
    assert "has reached its quota" in recorded.events.problem
    assert "raise the quota" in recorded.events.problem
    assert sum(file.stat().st_size for file in (tmp_path / "spool").glob("*.mcap")) < 300_000


def test_a_spool_has_the_quota_of_the_plan(tmp_path):
    """A quota that is too small is refused, as by `connect`."""
    config = TrainingConfig(environments=4, hidden_size=16, threads=1, episodes=1)
    with pytest.raises(InvalidArgument, match=r"spool_quota must be .*, not '200000'"):
        record_training(TrainingPlan(config, tmp_path, spool_quota=200_000), False)


WHOLE_TRAINING = """
import sys
from pathlib import Path
from esper_trainer.config import TrainingConfig
from esper_trainer.session import TrainingPlan, record_training

config = TrainingConfig(environments=4, hidden_size=16, threads=1, episodes=2)
record_training(TrainingPlan(config, Path(sys.argv[1])), False)
print(*({"torch._dynamo", "sklearn", "scipy", "pandas"} & set(sys.modules)))
"""


@pytest.mark.process
def test_a_training_does_not_import_what_it_does_not_need(tmp_path):
    """The front end of torch.compile and scikit-learn are large, and neither is imported."""
    program = [sys.executable, "-c", WHOLE_TRAINING, str(tmp_path)]
    done = subprocess.run(program, check=True, capture_output=True, text=True)

    assert done.stdout.split() == []
