"""Aggregator, trainer and viewer as three processes: the viewer's snapshot is the fold of the log."""

import json
import signal

import pytest

from esper_bus import addresses
from esper_bus.net.snapshot_source import SocketSource
from esper_schemas.codec import to_json

pytestmark = pytest.mark.process


@pytest.fixture
def source(playground, monkeypatch):
    """A subscriber in this process, connected to the aggregator of the playground."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", playground.environment["XDG_RUNTIME_DIR"])
    subscriber = SocketSource(lambda: addresses.for_runs_dir(playground.runs_dir))
    yield subscriber
    subscriber.close()


def aggregate(playground, commands):
    """Start the aggregator of the playground."""
    return playground.start([*commands["esper"], "aggregate", "--runs-dir", str(playground.runs_dir)])


def esper_json(playground, commands, *arguments):
    """The JSON output of an `esper` command."""
    result = playground.run([*commands["esper"], *map(str, arguments)])
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_snapshot_of_a_live_run_is_the_fold_of_its_log(playground, commands, source, wait_for):
    """This holds for every field, at the tenth update and at the end."""
    aggregate(playground, commands)
    trainer = playground.start([*commands["train"], "--envs", "8", "--episodes", "12", "--name", "live"])
    run_dir = playground.runs_dir / "live"

    tenth = wait_for(
        lambda: (feed := source.poll()).snapshot.tamiyo.ppo_updates_count >= 10 and feed.snapshot,
        what="the tenth update",
    )
    wait_for(lambda: trainer.poll() is not None, what="the end of training")
    last = wait_for(
        lambda: (feed := source.poll()).snapshot.run.outcome and feed.snapshot, what="the end of the run"
    )

    assert trainer.returncode == 0
    assert json.loads(to_json(tenth)) == esper_json(
        playground, commands, "state", run_dir, "--at", tenth.events_folded
    )
    assert json.loads(to_json(last)) == esper_json(playground, commands, "state", run_dir)
    seen = playground.run([*commands["sanctum"], "--json"])
    assert json.loads(seen.stdout) == json.loads(to_json(last))


def test_an_aggregator_killed_during_a_training_loses_nothing(playground, commands, wait_for):
    """It is killed after the first events and restarted; the log is whole."""
    run_dir = playground.runs_dir / "killed"
    aggregator = aggregate(playground, commands)
    trainer = playground.start([*commands["train"], "--envs", "8", "--episodes", "8", "--name", "killed"])
    wait_for(lambda: list(run_dir.glob("log/*.mcap")), what="the first event in the log")
    aggregator.send_signal(signal.SIGKILL)
    aggregator.wait()
    aggregate(playground, commands)
    wait_for(lambda: trainer.poll() is not None, what="the end of training")

    verdict = esper_json(playground, commands, "log", "verify", run_dir, "--json")

    assert trainer.returncode == 0
    assert verdict["ok"] is True
    assert esper_json(playground, commands, "state", run_dir)["tamiyo"]["ppo_updates_count"] == 8


def test_a_trainer_killed_during_a_training_leaves_a_readable_run(playground, commands, wait_for):
    """No event that it recorded is missing, and the run has no outcome."""
    run_dir = playground.runs_dir / "dead"
    trainer = playground.start([*commands["train"], "--envs", "8", "--episodes", "5000", "--name", "dead"])
    wait_for(
        lambda: (
            list(run_dir.glob("spool/*.mcap"))
            and esper_json(playground, commands, "state", run_dir)["tamiyo"]["ppo_updates_count"] >= 2
        ),
        what="the second update",
    )
    trainer.send_signal(signal.SIGKILL)
    trainer.wait()

    assert esper_json(playground, commands, "log", "verify", run_dir, "--json")["ok"] is True
    assert esper_json(playground, commands, "state", run_dir)["run"]["outcome"] is None
