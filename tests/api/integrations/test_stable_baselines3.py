"""Trainings of Stable-Baselines3 and sb3-contrib: what the callback records equals the library's own log."""

import json
import logging
import subprocess
import sys
from itertools import accumulate

import pytest

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

import gymnasium
from sb3_contrib import TRPO, MaskablePPO, RecurrentPPO
from sb3_contrib.common.envs import InvalidActionEnvDiscrete
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import Monitor

from esper_lite import EpisodeCompleted, RunFinished, RunStarted, ScalarsLogged, open_run
from esper_lite.integrations.stable_baselines3 import EsperCallback

pytestmark = pytest.mark.slow

SMALL = {"n_steps": 32, "batch_size": 32, "n_epochs": 2, "device": "cpu", "seed": 1}
SHOWN = {
    "train/policy_gradient_loss": "policy_loss", "train/policy_loss": "policy_loss",
    "train/value_loss": "value_loss", "train/approx_kl": "kl_divergence",
    "train/clip_fraction": "clip_fraction", "train/explained_variance": "explained_variance",
    "train/learning_rate": "learning_rate",
}  # fmt: skip
LSTM = {"lstm_hidden_size": 8}


def ppo(environment="CartPole-v1", **options):
    """A small model that trains on one rollout of 32 steps after another."""
    return PPO("MlpPolicy", environment, **{**SMALL, **options})


def a2c():
    """An algorithm without epochs, which dumps every hundredth rollout unless told otherwise."""
    return A2C("MlpPolicy", "CartPole-v1", n_steps=16, device="cpu", seed=1)


def recurrent():
    """PPO with an LSTM."""
    return RecurrentPPO("MlpLstmPolicy", "CartPole-v1", policy_kwargs=LSTM, **SMALL)


def maskable():
    """PPO with masked actions."""
    return MaskablePPO("MlpPolicy", Monitor(InvalidActionEnvDiscrete(dim=6, n_invalid_actions=2)), **SMALL)


def trpo():
    """An algorithm with another objective, and without a clip range."""
    return TRPO("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=32, device="cpu", seed=1)


def continuous():
    """PPO with a Gaussian policy."""
    return PPO("MlpPolicy", "Pendulum-v1", **SMALL)


@pytest.fixture
def callback(runs_dir):
    """Makes a callback that records into the runs directory of the test."""
    return lambda run="run", **options: EsperCallback(
        run, **{"runs_dir": runs_dir, "aggregator": False, **options}
    )


@pytest.fixture
def own_log(tmp_path):
    """Makes a model log to a JSON file; returns the rows that it has written and those that it has not."""

    loggers = []

    def log_of(model):
        logger = configure(str(tmp_path / "log"), ["json"])
        loggers.append(logger)
        model.set_logger(logger)

        def rows():
            logger.output_formats[0].file.flush()
            return [
                json.loads(line) for line in (tmp_path / "log" / "progress.json").read_text().splitlines()
            ]

        return rows, logger.name_to_value

    yield log_of
    for logger in loggers:
        logger.close()


def values_by_step(events):
    """All recorded values of the scalars by step and name."""
    recorded = {}
    for event in events:
        if isinstance(event, ScalarsLogged):
            recorded.setdefault(event.step, {}).update(event.values)
    return recorded


def steps_with_ended_episodes(model):
    """The last steps of the rollouts in which an episode ended, by the lengths that the monitor kept."""
    lengths = model.env.env_method("get_episode_lengths")[0]
    return {-(-end // model.n_steps) * model.n_steps for end in accumulate(lengths)}


def expected_by_step(rows, last_update, with_episodes):
    """The library's log, with the values of an update at the step at which it was made.

    Means over episodes are expected at the steps with_episodes only.
    """
    expected, before = {}, None
    for row in rows:
        step = row["time/total_timesteps"]
        for name, value in row.items():
            at = before if name.startswith("train/") else step
            if step in with_episodes or not name.startswith("rollout/ep_"):
                expected.setdefault(at, {})[name] = value
        before = step
    expected[before].update({name: float(value) for name, value in last_update.items()})
    return expected


@pytest.mark.parametrize("make", [ppo, a2c, trpo, recurrent, maskable, continuous])
def test_every_value_of_the_librarys_log_is_recorded_at_its_update(make, callback, own_log, events):
    """Equal numbers, at the step of the update that they belong to; the last update is there as well.

    The mean return is not repeated for rollouts in which no episode ended.
    """
    model = make()
    rows, not_dumped = own_log(model)
    model.learn(128, callback=callback(), log_interval=1)
    recorded = values_by_step(events("run"))
    with_episodes = steps_with_ended_episodes(model)
    expected = expected_by_step(rows(), dict(not_dumped), with_episodes)

    assert len(expected) == len(recorded) == 128 // model.n_steps
    for step, values in expected.items():
        assert values.items() <= recorded[step].items()
        assert "train/value_loss" in recorded[step]
        assert ("rollout/ep_rew_mean" in recorded[step]) == (step in with_episodes)


@pytest.mark.parametrize("make", [ppo, a2c, trpo, recurrent, maskable, continuous])
def test_the_screen_has_the_numbers_of_the_librarys_log(make, callback, runs_dir):
    """All of the last update, with the sign of the catalogue; and the results of the last rollout."""
    model = make()
    model.learn(128, callback=callback(), log_interval=1)
    logged, snapshot = model.logger.name_to_value, open_run(runs_dir / "run").snapshot()
    names = [name for name in SHOWN if name in logged]
    shown = {name: getattr(snapshot.tamiyo, SHOWN[name]) for name in names}
    ended = model.num_timesteps in steps_with_ended_episodes(model)
    lengths = [episode["l"] for episode in model.ep_info_buffer] if ended else []

    assert shown == {name: float(logged[name]) for name in names}
    loss_of_entropy = logged.get("train/entropy_loss")  # TRPO has none
    assert snapshot.tamiyo.entropy == (None if loss_of_entropy is None else -loss_of_entropy)
    assert snapshot.run.mean_length == (pytest.approx(sum(lengths) / len(lengths)) if lengths else None)
    assert (snapshot.run.env_steps_total, snapshot.run.last_step) == (128, 128)
    assert snapshot.ranks[0].last_update == 128 // model.n_steps
    assert snapshot.scalars["train/n_updates"].value == model._n_updates


def test_the_rollout_is_measured(callback, runs_dir):
    """Returns, values and advantages are those of the rollout of the last update."""
    model = ppo()
    model.learn(64, callback=callback())
    shown, buffer = open_run(runs_dir / "run").snapshot().tamiyo, model.rollout_buffer

    assert shown.return_mean == pytest.approx(buffer.returns.mean())
    assert shown.return_std == pytest.approx(buffer.returns.std())
    assert (shown.value_mean, shown.value_std) == pytest.approx((buffer.values.mean(), buffer.values.std()))
    assert shown.advantage_mean == pytest.approx(buffer.advantages.mean())
    assert shown.epochs_completed == 2


def test_rollouts_that_the_library_does_not_dump_are_recorded(callback, events):
    """Without any dump, each update in which an episode ended has its mean return and length."""
    model = ppo()
    model.learn(128, callback=callback(), log_interval=None)
    returns = [values.get("rollout/ep_rew_mean") for values in values_by_step(events("run")).values()]

    assert len(returns) == 4
    assert returns[-1] == sum(e["r"] for e in model.ep_info_buffer) / len(model.ep_info_buffer)


def test_the_start_of_the_run_has_the_parameters_of_the_model(callback, events):
    """They come from the environment and the algorithm; schedules are given by their first value."""
    model = ppo(make_vec_env("CartPole-v1", 2), target_kl=0.03, learning_rate=lambda left: left * 1e-3)
    model.learn(256, callback=callback())
    started = events("run")[0]
    facts = (started.task, started.environments, started.horizon, started.episodes, started.seed)

    assert facts == ("CartPole-v1", 2, 32, 4, 1)
    assert (started.device, started.clip_range, started.target_kl) == ("cpu", 0.2, 0.03)
    assert started.config["algorithm"] == "PPO"
    assert started.config["gae_lambda"] == 0.95
    assert started.config["learning_rate"] == 1e-3
    assert started.config["total_timesteps"] == 256


def test_what_the_program_states_itself_has_priority(callback, events):
    """Its task and settings stay; what it leaves out comes from the model."""
    stated = RunStarted(task="balancing", config={"note": "first try"})
    ppo().learn(32, callback=callback(started=stated))
    started = events("run")[0]

    assert (started.task, started.environments) == ("balancing", 1)
    assert (started.config["note"], started.config["n_steps"]) == ("first try", 32)


def test_finished_episodes_are_recorded(callback, events, tmp_path):
    """They are those that the library's monitor writes."""
    environments = make_vec_env("CartPole-v1", 2, seed=3, monitor_dir=str(tmp_path / "monitor"))
    ppo(environments).learn(256, callback=callback())
    environments.close()
    lines = [
        line.split(",")
        for file in (tmp_path / "monitor").iterdir()
        for line in file.read_text().splitlines()[2:]
    ]
    recorded = [event for event in events("run") if isinstance(event, EpisodeCompleted)]

    assert sorted((e.episode_return, e.length) for e in recorded) == sorted(
        (float(r), int(n)) for r, n, _ in lines
    )
    assert [event.episode for event in recorded] == list(range(1, len(recorded) + 1))
    assert {event.environment for event in recorded} == {0, 1}


class Bonus(BaseCallback):
    """A callback of the program that logs a metric of its own at every step."""

    def _on_step(self):
        self.logger.record("custom/steps", self.num_timesteps)
        self.logger.record("custom/name", "not a number")
        return True


def test_values_of_other_callbacks_are_recorded(callback, events):
    """Metrics of the program and evaluations in the middle of a rollout have their own steps."""
    evaluation = EvalCallback(
        Monitor(gymnasium.make("CartPole-v1")), eval_freq=20, n_eval_episodes=1, verbose=0
    )
    ppo().learn(64, callback=[callback(), evaluation, Bonus()])
    recorded = values_by_step(events("run"))

    assert recorded[60]["eval/mean_reward"] == evaluation.last_mean_reward
    assert [step for step in recorded if "time/total_timesteps" in recorded[step]] == [32, 64]
    assert [step for step in recorded if "eval/mean_ep_length" in recorded[step]] == [20, 40, 60]
    assert [recorded[step]["custom/steps"] for step in (32, 64)] == [32, 64]
    assert [step for step in recorded if "train/approx_kl" in recorded[step]] == [32, 64]
    assert all("custom/name" not in values for values in recorded.values())


def test_the_normalised_entropy_is_measured_for_discrete_actions(callback, events):
    """It is the entropy over its maximum; continuous and masked actions have none."""
    for number, make in enumerate((ppo, maskable, continuous)):
        make().learn(32, callback=callback(f"run-{number}"))
    discrete, *others = (values_by_step(events(f"run-{number}"))[32] for number in range(3))

    assert discrete["entropy_normalized"] == pytest.approx(1, abs=1e-3)
    assert [values.get("entropy_normalized") for values in others] == [None, None]


def test_telemetry_of_the_program_stays_open(connect, events):
    """The callback records into it, and its own events follow."""
    with connect() as telemetry:
        ppo().learn(32, callback=EsperCallback(telemetry))
        telemetry.log({"after": 1.0})
    recorded = events()

    assert "train/value_loss" in values_by_step(recorded)[32]
    assert recorded[-2].values == {"after": 1.0}
    assert recorded[-1].outcome == "completed"


def test_a_training_that_continues_is_one_run(callback, events, runs_dir):
    """With `reset_num_timesteps=False` its steps continue; otherwise another run begins."""
    model, recorder = ppo(), callback()
    model.learn(32, callback=recorder)
    model.learn(32, callback=recorder, reset_num_timesteps=False)
    model.learn(32, callback=recorder)

    assert list(values_by_step(events("run"))) == [32, 64]
    assert [type(event) for event in events("run")].count(RunFinished) == 2
    assert list(values_by_step(events("run-2"))) == [32]
    assert sorted(path.name for path in runs_dir.iterdir()) == ["run", "run-2"]


def test_an_unwritable_directory_costs_the_record_only(callback, tmp_path, caplog):
    """There is one warning, and the training reaches its end."""
    (tmp_path / "file").write_text("")
    model = ppo()
    with caplog.at_level(logging.WARNING, "esper"):
        model.learn(96, callback=callback(runs_dir=tmp_path / "file" / "runs"))

    assert model.num_timesteps == 96
    assert [str(record.msg) for record in caplog.records if "not recorded" in str(record.msg)] != []
    assert len(caplog.records) == 1


def test_another_version_of_the_library_costs_the_record_only(callback, caplog, monkeypatch, events):
    """What the callback needs and does not find is reported once, and the training reaches its end."""
    model, recorder = ppo(), callback()
    monkeypatch.setattr("esper_lite.integrations.stable_baselines3.safe_mean", None)
    with caplog.at_level(logging.WARNING, "esper"):
        model.learn(96, callback=recorder, log_interval=None)

    assert model.num_timesteps == 96
    assert len(caplog.records) == 2  # after rollouts, and at the end
    assert all("object is not callable" in str(record.msg) for record in caplog.records)
    assert [values["train/n_updates"] for values in values_by_step(events("run")).values()] == [2, 4, 6]
    assert isinstance(events("run")[-1], RunFinished)


class Broken(gymnasium.Wrapper):
    """An environment that fails at its fortieth step."""

    def step(self, action):
        """Step, or fail."""
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps == 40:
            raise RuntimeError("the simulator crashed")
        return super().step(action)


def test_a_caught_exception_ends_the_run_with_the_callback(callback, events):
    """In a `with` block the run has failed with its reason, at the end of the block."""
    model = ppo(Broken(gymnasium.make("CartPole-v1")))
    with pytest.raises(RuntimeError), callback() as recorder:
        model.learn(96, callback=recorder)
    finished = events("run")[-1]

    assert (finished.outcome, finished.reason) == ("failed", "RuntimeError: the simulator crashed")


PROGRAM = """
import sys
import gymnasium
from stable_baselines3 import PPO
from esper_lite.integrations.stable_baselines3 import EsperCallback

class Broken(gymnasium.Wrapper):
    steps = 0
    def step(self, action):
        self.steps += 1
        if self.steps == 40:
            raise RuntimeError("crashed")
        return super().step(action)

model = PPO("MlpPolicy", Broken(gymnasium.make("CartPole-v1")), n_steps=32, batch_size=32, device="cpu")
model.learn(96, callback=EsperCallback("run", runs_dir=sys.argv[1], aggregator=False))
"""


@pytest.mark.process
def test_a_program_that_fails_ends_its_run(runs_dir, events):
    """The library does not report an exception; the run ends with the program, and has the reason."""
    subprocess.run(
        [sys.executable, "-c", PROGRAM, str(runs_dir)], capture_output=True, timeout=120, check=False
    )
    *_, last = events("run")

    assert (last.outcome, last.reason) == ("failed", "RuntimeError: crashed")
    assert 32 in values_by_step(events("run"))


def test_the_run_is_named_after_the_environment(runs_dir, events):
    """Without a name, trainings of the same task get numbers."""
    for _ in range(2):
        ppo().learn(32, callback=EsperCallback(runs_dir=runs_dir, aggregator=False))

    assert sorted(path.name for path in runs_dir.iterdir()) == ["CartPole-v1", "CartPole-v1-2"]
    assert isinstance(events("CartPole-v1-2")[-1], RunFinished)
