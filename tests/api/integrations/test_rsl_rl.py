"""Trainings of rsl_rl: what the log writer records equals what the library logs."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("rsl_rl")

import torch
from rsl_rl.env import VecEnv
from rsl_rl.runners import OnPolicyRunner
from tensordict import TensorDict

from esper_lite import RunFinished, ScalarsLogged, open_run
from esper_lite.integrations.mirror_tensorboard import mirror_tensorboard
from esper_lite.integrations.rsl_rl import EsperLogWriter

pytestmark = [pytest.mark.slow, pytest.mark.process]  # the library runs git
HOW_TOS = Path(__file__).parents[3] / "docs" / "how-to"
WRITER = "esper_lite.integrations.rsl_rl:EsperLogWriter"


class Pushing(VecEnv):
    """Four environments of five steps, in which large actions cost."""

    num_envs, num_actions, max_episode_length, device = 4, 2, 5, "cpu"

    def __init__(self, fails_at=None):
        self.cfg = SimpleNamespace(scene={"num_envs": 4}, decimation=2, terrain=object())
        self.episode_length_buf = torch.zeros(4, dtype=torch.long)
        self.steps, self.fails_at = 0, fails_at

    def get_observations(self):
        """Noise."""
        return TensorDict({"policy": torch.randn(4, 3)}, batch_size=[4])

    def step(self, actions):
        """Step, or fail."""
        self.steps += 1
        if self.steps == self.fails_at:
            raise RuntimeError("the simulator crashed")
        self.episode_length_buf += 1
        dones = (self.episode_length_buf >= 5).long()
        self.episode_length_buf[dones > 0] = 0
        extras = {"time_outs": dones, "log": {"/reward/energy": torch.tensor(0.25)}}
        return self.get_observations(), -actions.pow(2).sum(1), dones, extras


class Copying(EsperLogWriter):
    """The log writer, which also keeps what the library logs."""

    logged = []

    def add_scalar(self, tag, scalar_value, global_step):
        """Keep and record."""
        self.logged.append((global_step, tag, float(scalar_value)))
        super().add_scalar(tag, scalar_value, global_step)


@pytest.fixture
def train(runs_dir, tmp_path):
    """Trains for three iterations with a log writer; returns the runner."""

    def run(logger, environment=None):
        network = {"class_name": "MLPModel", "hidden_dims": [8]}
        settings = {
            "num_steps_per_env": 8, "save_interval": 100, "seed": 5, "experiment_name": "pushing",
            "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
            "algorithm": {"class_name": "PPO", "num_learning_epochs": 2, "clip_param": 0.3},
            "actor": network | {"distribution_cfg": {"class_name": "GaussianDistribution"}},
            "critic": network,
            "logger": logger,
        }  # fmt: skip
        runner = OnPolicyRunner(environment or Pushing(), settings, log_dir=str(tmp_path / "log"))
        runner.learn(3)
        return runner

    return lambda logger, environment=None: run(
        {"runs_dir": str(runs_dir), "aggregator": False, **logger} if isinstance(logger, dict) else logger,
        environment,
    )


def values_by_step(events):
    """All recorded values by step and name."""
    recorded = {}
    for event in events:
        if isinstance(event, ScalarsLogged):
            recorded.setdefault(event.step, {}).update(event.values)
    return recorded


def test_every_value_that_the_library_logs_is_recorded(train, events, monkeypatch):
    """Also tensors, under their tags and iterations."""
    monkeypatch.setattr(Copying, "logged", [])
    train({"class_name": Copying, "run": "run"})
    recorded = [
        (e.step, *pair) for e in events("run") if isinstance(e, ScalarsLogged) for pair in e.values.items()
    ]

    assert len(recorded) > 30
    assert recorded == Copying.logged


def test_the_screen_has_the_numbers_of_the_last_iteration(train, runs_dir, monkeypatch):
    """Tags that count seconds instead of iterations change nothing."""
    monkeypatch.setattr(Copying, "logged", [])
    train({"class_name": Copying, "run": "run"})
    last = {tag: value for step, tag, value in Copying.logged if step == 2}
    snapshot = open_run(runs_dir / "run").snapshot()
    tamiyo, run = snapshot.tamiyo, snapshot.run

    assert (tamiyo.policy_loss, tamiyo.value_loss) == (last["Loss/surrogate"], last["Loss/value"])
    assert (tamiyo.entropy, tamiyo.learning_rate) == (last["Loss/entropy"], last["Loss/learning_rate"])
    assert tamiyo.update_time_ms == 1000 * last["Perf/learning_time"]
    assert (run.mean_return, run.mean_length) == (
        last["Train/mean_reward"],
        last["Train/mean_episode_length"],
    )
    assert (run.steps_per_second, run.last_step, snapshot.ranks[0].last_update) == (
        last["Perf/total_fps"],
        2,
        3,
    )
    assert set(snapshot.scalars) == {"/reward/energy", "Policy/mean_std"}


def test_the_start_of_the_run_has_the_settings(train, events):
    """Those of training and environment; objects of the environment are left out."""
    train({"class_name": WRITER})
    started, *_, finished = events("pushing")
    settings = started.config

    assert (started.task, started.environments, started.horizon, started.seed) == ("pushing", 4, 8, 5)
    assert started.clip_range == 0.3
    assert settings["algorithm.num_learning_epochs"] == 2
    assert (settings["environment.decimation"], settings.get("environment.terrain")) == (2, None)
    assert finished == RunFinished(outcome="completed", updates=0)


def test_a_training_that_fails_ends_its_run(train, events):
    """The library does not stop the writer then; the run ends with it."""
    with pytest.raises(RuntimeError):
        train({"class_name": WRITER, "run": "run"}, Pushing(fails_at=20))

    assert events("run")[-1].outcome == "interrupted"


def test_an_unwritable_directory_costs_the_record_only(train, tmp_path, caplog):
    """There is one warning, and the training reaches its end."""
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING, "esper"):
        runner = train({"class_name": WRITER, "run": "run", "runs_dir": str(tmp_path / "file")})

    assert runner.current_learning_iteration == 2
    assert len(caplog.records) == 1


def test_the_librarys_own_tensorboard_writer_can_be_mirrored(train, runs_dir):
    """Without a change of the settings, the numbers reach the screen."""
    pytest.importorskip("tensorboard")
    with mirror_tensorboard("run", runs_dir=runs_dir, aggregator=False):
        runner = train("tensorboard")
        runner.logger.writer.close()
    snapshot = open_run(runs_dir / "run").snapshot()

    assert snapshot.ranks[0].last_update == 3
    assert snapshot.tamiyo.learning_rate == pytest.approx(runner.alg.learning_rate)
    assert snapshot.run.mean_length == 5


def test_the_lines_of_the_how_to_record_a_run(train, tmp_path, runs_dir, monkeypatch):
    """They are executed as they are, with fewer iterations."""
    page = (HOW_TOS / "record-rsl-rl.md").read_text()
    code = "".join(line[4:] for line in page.splitlines(keepends=True) if line.startswith("    "))
    monkeypatch.setenv("ESPER_RUNS_DIR", str(runs_dir))
    monkeypatch.chdir(tmp_path)
    cfg = train("tensorboard").cfg
    exec(code.replace("1_000", "2"), {"cfg": cfg, "env": Pushing(), "OnPolicyRunner": OnPolicyRunner})

    assert open_run(runs_dir / "walker").snapshot().ranks[0].last_update == 2
