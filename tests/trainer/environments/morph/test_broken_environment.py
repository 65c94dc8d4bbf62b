"""An environment with a NaN reward costs one update; one that raises fails the run with one sentence."""

import subprocess
import sys

import pytest
import torch
from tests.trainer.sink import Sink

from esper_bus.store.run_reader import read_records
from esper_schemas.events import (
    AnomalyDetected,
    NumericalInstabilityReported,
    PPOUpdateCompleted,
    RolloutCompleted,
    RunFinished,
)
from esper_trainer.config import TrainingConfig
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.presets import HORIZON
from esper_trainer.runner import Trainer

SETTINGS = {"environments": 3, "threads": 1, "hidden_size": 16}


@pytest.fixture
def broken_step(monkeypatch):
    """Breaks the reward of the first environment at the tenth step of some episodes."""

    def break_(episodes, value):
        step, calls = MorphEnvironment.step, []

        def broken(self, action):
            result = step(self, action)
            if self.environments == SETTINGS["environments"]:
                calls.append(None)
                episode, current = divmod(len(calls) - 1, HORIZON)
                if episode in episodes and current == 10:
                    result.reward[0] = value
            return result

        monkeypatch.setattr(MorphEnvironment, "step", broken)

    return break_


@pytest.mark.slow
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_rewards_skip_their_update_only(broken_step, value):
    """Its optimiser steps are skipped, counted and reported with their origin; the next update learns."""
    broken_step({2}, value)  # episode 0 is that of the baseline
    sink = Sink()
    trainer = Trainer(TrainingConfig(episodes=3, **SETTINGS), sink.connect)
    summary = trainer.run()
    payloads = [event.payload for event in sink.of(PPOUpdateCompleted)]

    assert summary.outcome == "completed"
    assert [payload.skipped_steps for payload in payloads] == [0, 4, 0]
    assert [event.returns_not_finite for event in sink.of(RolloutCompleted)] == [0, 1, 0]
    assert [(event.update, event.where) for event in sink.of(NumericalInstabilityReported)] == [
        (2, ("reward", "loss", "gradient"))
    ]
    assert [(event.update, event.anomaly) for event in sink.of(AnomalyDetected)] == [
        (2, "numerical_instability")
    ]
    assert all(tensor.isfinite().all() for tensor in trainer._learner.tensors().values())
    assert payloads[2].grad_norm > 0


PROGRAM = """
import sys
from esper_trainer.environments.morph.environment import MorphEnvironment
step, calls = MorphEnvironment.step, []
def dies(self, action):
    calls.append(None)
    if len(calls) > {alive}:
        raise RuntimeError("the simulator has gone away\\nand more about it")
    return step(self, action)
MorphEnvironment.step = dies
from {module} import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.process
@pytest.mark.parametrize(
    ("module", "command"), [("esper_trainer.__main__", []), ("esper_cli.esper", ["ppo", "--no-tui"])]
)
def test_an_environment_that_raises_fails_the_run_with_one_sentence(tmp_path, monkeypatch, module, command):
    """The exit code is 1, the last event has the reason, and the traceback is written to a file."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    program = PROGRAM.format(alive=2 * HORIZON + 5, module=module)
    options = ["--envs", "2", "--threads", "1", "--episodes", "3", "--runs-dir", str(tmp_path / "runs")]
    options += ["--name", "mine", "--checkpoint-every", "1"]
    result = subprocess.run(
        [sys.executable, "-c", program, *command, *options], capture_output=True, text=True, check=False
    )
    run_dir = tmp_path / "runs" / "mine"
    *_, last = (record.event for record in read_records(run_dir))

    assert result.returncode == 1
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Training failed (RuntimeError: the simulator has gone away)" in result.stderr
    assert "--resume mine" in result.stderr
    assert isinstance(last, RunFinished)
    assert (last.outcome, last.updates) == ("failed", 1)
    assert "in dies" in (run_dir / "failure.txt").read_text()
    assert torch.load(next((run_dir / "checkpoints").glob("*.pt")), weights_only=True)["update"] == 1
