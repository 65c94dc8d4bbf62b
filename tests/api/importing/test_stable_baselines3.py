"""A training with the real Stable-Baselines3: its table and its event file give the same run."""

import struct

import msgspec
import pytest
from tests.api.importing.conftest import folded

from esper_lite import open_run
from esper_lite.importing.follow_logs import Destination, LogFollower
from esper_lite.importing.import_logs import import_logs

pytestmark = pytest.mark.slow

UPDATES = 6


@pytest.fixture
def trained(tmp_path):
    """Trains in a directory with both files and the episodes; a function is called after each rollout."""
    sb3 = pytest.importorskip("stable_baselines3", exc_type=ImportError)
    pytest.importorskip("tensorboard")
    import torch
    from stable_baselines3.common.callbacks import ConvertCallback
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.logger import configure

    torch.set_num_threads(1)

    def train(directory, formats, after_rollout):
        env = make_vec_env("CartPole-v1", n_envs=2, seed=0, monitor_dir=str(directory))
        model = sb3.PPO("MlpPolicy", env, n_steps=32, batch_size=32, n_epochs=2, seed=0, device="cpu")
        model.set_logger(configure(str(directory), formats))
        model.learn(64 * UPDATES, callback=ConvertCallback(lambda *_: after_rollout() or True))
        model.logger.close()
        env.close()

    return train


def single_precision(value):
    """A value with all its numbers rounded to what event files hold."""
    if isinstance(value, float) and value == value and abs(value) < 1e38:
        return struct.unpack("f", struct.pack("f", value))[0]
    if isinstance(value, dict):
        return {key: single_precision(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [single_precision(item) for item in value]
    return value


def metrics(run_dir):
    """The metrics of the last update, with their histories."""
    return single_precision(msgspec.to_builtins(open_run(run_dir).snapshot().tamiyo))


def test_table_and_event_file_of_a_training_give_the_same_numbers(trained, tmp_path):
    """They are equal in single precision; the episodes give each run its lengths, too."""
    logs = tmp_path / "logs"
    trained(logs, ["csv", "tensorboard"], lambda: None)
    (table,) = import_logs(logs / "progress.csv", tmp_path / "runs", "table")
    (events,) = import_logs(next(logs.glob("*tfevents*")), tmp_path / "runs", "events")

    assert table.totals.updates == events.totals.updates == UPDATES - 1  # SB3 logs the last one nowhere
    assert metrics(table.run_dir) == metrics(events.run_dir)
    assert len(events.not_read) == 0


@pytest.mark.parametrize("formats", [["csv"], ["tensorboard"]])
def test_a_training_that_was_followed_is_the_imported_one(trained, tmp_path, formats):
    """Its table is written anew while it is followed, and its episodes are in files beside it."""
    logs = tmp_path / "logs"
    logs.mkdir()
    follower = LogFollower(logs, Destination(tmp_path / "runs"))
    trained(logs, formats, follower.poll)
    for _ in range(3):
        follower.poll()
    (followed,) = follower.close("completed", "")
    (imported,) = import_logs(logs, tmp_path / "runs", "whole")

    assert followed.totals.updates == imported.totals.updates == UPDATES - 1
    assert followed.totals.values == imported.totals.values
    assert folded(followed.run_dir)[0] == folded(imported.run_dir)[0]
