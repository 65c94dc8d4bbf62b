"""A run that 0.1.0 recorded is read, continued and resumed by this version.

`golden/0.1.0` has the files of a training of four updates as 0.1.0 left them, and what its `esper state`
printed about them.
"""

import json
import shutil
from pathlib import Path

import pytest

from esper_lite import PPOUpdateCompleted, PPOUpdatePayload, RunFinished, connect, open_run

pytestmark = pytest.mark.process

GOLDEN = Path(__file__).parent / "golden" / "0.1.0"
RENAMED = {"usual_rollout_ms": "median_rollout_ms", "rivals": "duplicate_producers"}
"""Names in the JSON of the state that are others now."""


@pytest.fixture
def run_dir(playground):
    """A copy of the run, which may be continued."""
    directory = playground.runs_dir / "old-run"
    shutil.copytree(GOLDEN / "run", directory)
    yield directory
    shutil.rmtree(directory)


def named(old):
    """A part of the old state, with the names of this version."""
    if isinstance(old, list):
        return [named(item) for item in old]
    if isinstance(old, dict):
        return {RENAMED.get(key, key): named(value) for key, value in old.items()}
    return old


def known(part, old):
    """A part of the state without the fields that the old one does not have, as fields are added."""
    if isinstance(old, list):
        return [known(*items) for items in zip(part, old, strict=True)]
    if isinstance(old, dict):
        return {key: known(part[key], value) for key, value in old.items()}
    return part


def updates(run_dir):
    """The numbers of the updates in the order of the run."""
    events = (record.event for record in open_run(run_dir).records())
    return [event.update for event in events if isinstance(event, PPOUpdateCompleted)]


def test_its_files_are_whole(playground, commands, run_dir):
    """The log has every event of the spool."""
    result = playground.run([*commands["esper"], "log", "verify", str(run_dir)])

    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("whole: 104 events")


def test_its_state_is_the_one_that_0_1_0_printed(playground, commands, run_dir):
    """Every number of the last update, histories, ranks, slots, decisions and episodes."""
    result = playground.run([*commands["esper"], "state", str(run_dir)])
    state = json.loads(result.stdout)

    for name, part in named(json.loads((GOLDEN / "state.json").read_text())).items():
        assert known(state[name], part) == part, name


@pytest.mark.parametrize("folder", ["log", "spool"])
def test_log_and_spool_have_the_same_events_each(run_dir, folder):
    """Either of them is enough."""
    shutil.rmtree(run_dir / folder)

    assert updates(run_dir) == [1, 2, 3, 4]
    assert open_run(run_dir).snapshot().events_folded == 104


def test_it_is_continued_by_the_public_api(run_dir):
    """The next update has the next number; the old events stay what they were."""
    before = list(open_run(run_dir).records())
    with connect("old-run", runs_dir=run_dir.parent, aggregator=False, resume=True) as telemetry:
        telemetry.emit(PPOUpdatePayload(policy_loss=0.5))

    records = list(open_run(run_dir).records())
    assert records[: len(before)] == before
    assert updates(run_dir) == [1, 2, 3, 4, 5]
    assert {record.producer for record in records} == {"trainer:0"}


@pytest.mark.slow
def test_its_training_is_resumed_from_its_checkpoint(playground, commands, run_dir):
    """By the command that its user knows."""
    resume = [*commands["esper"], "ppo", "--no-tui", "--resume", "old-run", "--episodes", "6"]
    result = playground.run(resume)

    assert result.returncode == 0, result.stderr
    assert updates(run_dir) == [1, 2, 3, 4, 5, 6]
    *_, last = open_run(run_dir).records()
    assert isinstance(last.event, RunFinished)
    assert last.event.outcome == "completed"
