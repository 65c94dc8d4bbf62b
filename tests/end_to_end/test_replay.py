"""`esper replay` as a process: viewers of the same and of another machine watch a recorded run."""

import json
import re

import pytest
from benchmarks.ports import free_ports

from esper_bus.addresses import Endpoints
from esper_lite import PPOUpdateCompleted, PPOUpdatePayload, connect

pytestmark = pytest.mark.process
UPDATES = 12


@pytest.fixture(scope="module")
def run_dir(playground):
    """A recorded run."""
    with connect("recorded", runs_dir=playground.runs_dir) as telemetry:
        for update in range(1, UPDATES + 1):
            telemetry.emit(
                PPOUpdateCompleted(update=update, payload=PPOUpdatePayload(policy_loss=update / 10))
            )
    return playground.runs_dir / "recorded"


def address(process):
    """The address that a replay prints."""
    return re.search(r"`sanctum (\S+)`", process.stdout.readline())[1]


def shown(playground, commands, url, *options):
    """The snapshot that a viewer receives first."""
    done = playground.run([*commands["sanctum"], url, "--json", *options])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_viewer_watches_a_replay(playground, commands, run_dir, wait_for):
    """It ends with the state of the run; the sockets are removed at Ctrl-C."""
    replay = playground.start([*commands["esper"], "replay", str(run_dir), "--speed", "1000"])
    url = address(replay)
    wait_for(
        lambda: shown(playground, commands, url)["run"]["outcome"] == "completed",
        what="its end",
    )
    snapshot = shown(playground, commands, url)
    replay.terminate()
    output, _ = replay.communicate(timeout=30)

    state = json.loads(playground.run([*commands["esper"], "state", str(run_dir)]).stdout)
    assert snapshot == state
    assert output.splitlines()[0] == "replaying recorded"
    assert "recorded ends here" in output
    assert list(playground.runs_dir.parent.glob("esper/replay-*")) == []
    assert replay.returncode == 0


def test_a_range_of_updates_is_replayed(playground, commands, run_dir, wait_for):
    """It stops when the last one is complete; the first viewer sees the state before the first one."""
    words = ["replay", str(run_dir), "--from", "5", "--to", "8", "--speed", "1000"]
    url = address(playground.start([*commands["esper"], *words]))
    first = shown(playground, commands, url)["tamiyo"]["last_update"]
    wait_for(lambda: shown(playground, commands, url)["tamiyo"]["last_update"] == 8, what="the last update")

    assert 4 <= first <= 8


def test_a_replay_has_the_rights_of_an_aggregator(playground, commands, run_dir, wait_for):
    """Over tcp a key with the right to view is needed; snapshots are compressed for other machines."""
    keys = playground.runs_dir.parent / "keys"
    for words in (["init"], ["add", "viewer", "--rights", "view"], ["add", "trainer", "--rights", "ingest"]):
        playground.run([*commands["esper"], "keys", words[0], str(keys), *words[1:]])
    url = f"tcp://127.0.0.1:{free_ports(len(Endpoints._fields))}"
    words = ["replay", str(run_dir), "--speed", "1000", "--listen", url, "--server-keys", str(keys)]
    replay = playground.start([*commands["esper"], *words])
    assert address(replay) == url

    viewer = ("--keys", str(keys / "viewer.key"), "--compress")
    wait_for(
        lambda: shown(playground, commands, url, *viewer)["tamiyo"]["ppo_updates_count"] == UPDATES,
        what="the last update",
    )
    refused = playground.run(
        [*commands["sanctum"], url, "--json", "--keys", str(keys / "trainer.key"), "--compress"]
    )
    assert refused.returncode == 1
    assert "refuses the key 'trainer'" in refused.stderr


def test_a_run_is_followed_behind_its_end(playground, commands, wait_for):
    """The training was resumed while its first part was replayed."""
    with connect("resumed", runs_dir=playground.runs_dir) as telemetry:
        telemetry.emit(PPOUpdateCompleted(update=1, payload=PPOUpdatePayload()))
    run_dir = playground.runs_dir / "resumed"
    url = address(playground.start([*commands["esper"], "replay", str(run_dir)]))
    wait_for(lambda: shown(playground, commands, url)["run"]["outcome"] == "completed", what="the first part")
    with connect("resumed", runs_dir=playground.runs_dir, resume=True) as telemetry:
        telemetry.emit(PPOUpdateCompleted(update=2, payload=PPOUpdatePayload()))

    wait_for(
        lambda: shown(playground, commands, url)["tamiyo"]["ppo_updates_count"] == 2, what="the second part"
    )
