"""A training gets the same verdict from its table, from its event file, and while it is followed."""

import pytest
from benchmarks.verdicts.export import events_of
from benchmarks.verdicts.field_logs import first_findings, found_in
from benchmarks.verdicts.record import CORPUS

from esper_bus.store.run_reader import read_records
from esper_lite import open_run
from esper_lite.importing.follow_logs import Destination, LogFollower
from esper_schemas.events import ScalarsLogged

LOGGED = ("rollout/", "train/")
RECORDINGS = {
    "sb3-CartPole-1": 0,
    "sb3-CartPole-1-learning_rate_times_100": 1,
    "sb3-CartPole-1-learning_rate_1e_9": 1,
    "sb3-CartPole-1-NaN_reward": 1,
}
"""Recordings for tuning, and the smallest number of their findings."""


def rows_of(name):
    """What Stable-Baselines3 logged in each update of a recording, by its number of steps."""
    rows = {}
    for event in events_of(name, CORPUS):
        if isinstance(event, ScalarsLogged):
            values = {key: value for key, value in event.values.items() if key.startswith(LOGGED)}
            rows.setdefault(event.step, {}).update(values)
    return rows


def write_log(name, directory, form, after_update=lambda: None):
    """Log a recording again, with the writers of Stable-Baselines3."""
    configure = pytest.importorskip("stable_baselines3.common.logger", exc_type=ImportError).configure
    logger = configure(str(directory), [form])
    for step, values in rows_of(name).items():
        for key, value in values.items():
            logger.record(key, value)
        logger.record("time/total_timesteps", step)
        logger.dump(step)
        after_update()
    logger.close()


def follow(name, directory, form, runs):
    """Follow a log while it is written; return the directory of its run."""
    directory.mkdir()
    follower = LogFollower(directory, Destination(runs), name="followed")
    write_log(name, directory, form, follower.poll)
    for _ in range(3):
        follower.poll()
    (run,) = follower.close("completed", "")
    return run.run_dir


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDINGS)
def test_copies_of_a_log_get_the_same_verdict(name, tmp_path):
    """The same findings in the same updates, with the same onsets and evidence."""
    pytest.importorskip("tensorboard")
    write_log(name, tmp_path / "csv", "csv")
    write_log(name, tmp_path / "tensorboard", "tensorboard")
    table = first_findings(tmp_path / "csv" / "progress.csv")
    events = first_findings(next((tmp_path / "tensorboard").glob("*tfevents*")))
    run_dir = follow(name, tmp_path / "live", "csv", tmp_path / "runs")

    assert table[0] >= len(rows_of(name)) - 1  # the last update of a failed training is not complete
    assert len(table[1]) >= RECORDINGS[name]
    assert events == table
    assert found_in(read_records(run_dir)) == table
    assert {finding.rule for finding in open_run(run_dir).snapshot().findings} == table[2]
