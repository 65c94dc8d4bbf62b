"""Trainer, aggregator and screen as three processes over tcp, with keys."""

import json
import re
import socket

import pytest
from benchmarks.ports import free_ports

from esper_bus.addresses import Endpoints

pytestmark = pytest.mark.process


def outer_address():
    """An address of this machine that is not loopback, if it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # sends nothing; only selects an interface
        except OSError:
            return None
        return probe.getsockname()[0]


@pytest.fixture(scope="module", params=["127.0.0.1", outer_address()], ids=["loopback", "beyond"])
def url(request):
    """The address at which the aggregator listens."""
    if request.param is None:
        pytest.skip("this machine has no address but loopback")
    return f"tcp://{request.param}:{free_ports(len(Endpoints._fields), request.param)}"


@pytest.fixture(scope="module")
def keys(url, playground, commands):
    """The keys of a trainer and a viewer, and a revoked one, as a user creates them."""
    directory = playground.runs_dir.parent / re.sub(r"\W", "-", url)
    for words in (
        ["init", directory],
        ["add", directory, "trainer", "--rights", "ingest"],
        ["add", directory, "viewer", "--rights", "view"],
        ["add", directory, "gone"],
    ):
        done = playground.run([*commands["esper"], "keys", *map(str, words)])
        assert done.returncode == 0, done.stderr
    (directory / "gone.key").rename(directory / "kept.key")
    playground.run([*commands["esper"], "keys", "remove", str(directory), "gone"])
    return directory


@pytest.fixture(scope="module")
def aggregator(url, keys, playground, commands):
    """An aggregator that other processes reach over tcp only."""
    runs = str(keys / "runs")
    process = playground.start(
        [*commands["esper"], "aggregate", "--runs-dir", runs, "--listen", url, "--server-keys", str(keys)]
    )
    for line in process.stdout:
        if "aggregator ready" in line:
            return process
    pytest.fail("the aggregator did not start")


@pytest.fixture
def train(url, keys, playground, commands):
    """Trains for two updates and sends the events over tcp."""

    def run(name, key):
        words = ["--episodes", "2", "--envs", "4", "--name", f"{name}-{keys.name}", "--aggregator", url]
        return playground.run([*commands["train"], *words, *(["--keys", str(keys / key)] if key else [])])

    return run


@pytest.fixture
def watch(url, keys, playground, commands):
    """Returns the snapshot of the aggregator as JSON."""

    def run(key):
        words = [url, "--json", *(["--keys", str(keys / key)] if key else [])]
        return playground.run([*commands["sanctum"], *words])

    return run


def test_a_training_is_watched_over_tcp(aggregator, train, watch, wait_for):
    """The viewer's snapshot has all updates and the end of the run."""
    trained = train("watched", "trainer.key")

    assert trained.returncode == 0, trained.stderr

    def shown():
        result = watch("viewer.key")
        snapshot = json.loads(result.stdout) if result.returncode == 0 else {}
        return snapshot if snapshot.get("run", {}).get("outcome") == "completed" else None

    snapshot = wait_for(shown, what="the end of the run on the screen")

    assert snapshot["tamiyo"]["ppo_updates_count"] == 2
    assert "refuse" not in trained.stdout + trained.stderr


def test_on_the_aggregators_machine_neither_address_nor_key_is_needed(
    aggregator, keys, playground, commands, wait_for
):
    """A training in the runs directory is recorded, and `sanctum` shows it, even if $ESPER_KEYS is set."""
    runs = {**playground.environment, "ESPER_RUNS_DIR": str(keys / "runs"), "ESPER_KEYS": str(keys)}
    words = [*commands["train"], "--episodes", "2", "--envs", "4", "--name", "here"]
    trained = playground.run(words, environment=runs)

    assert trained.returncode == 0, trained.stderr
    assert list((keys / "runs" / "here" / "log").glob("*.mcap"))

    def shown():
        seen = playground.run([*commands["sanctum"], "--json"], environment=runs)
        return seen.returncode == 0 and json.loads(seen.stdout)["run"]["run"] == "here"

    wait_for(shown, what="the run on the screen")


def test_a_revoked_key_is_refused_at_both_ends(aggregator, train, watch):
    """The training continues and reports it; the screen ends with an error."""
    trained, seen = train("refused", "kept.key"), watch("kept.key")

    assert trained.returncode == 0, trained.stderr
    assert "refuses the key 'gone'" in trained.stdout + trained.stderr
    assert seen.returncode == 1
    assert seen.stderr.startswith("sanctum: The aggregator at ")
    assert seen.stderr.count("\n") == 1


def test_a_viewer_cannot_send(aggregator, train):
    """Its key is refused by the listener for events."""
    trained = train("viewer", "viewer.key")

    assert trained.returncode == 0, trained.stderr
    assert "refuses the key 'viewer'" in trained.stdout + trained.stderr


def test_a_missing_key_is_one_sentence(url, aggregator, train, watch):
    """The aggregator sends it on this machine, the client prints it itself for another one."""
    trained, seen = train("keyless", None), watch(None)

    assert seen.returncode == 1
    assert "pass a key file" in seen.stderr
    assert seen.stderr.count("\n") == 1
    assert "pass a key file" in trained.stdout + trained.stderr
    assert "Traceback" not in trained.stdout + trained.stderr


def test_a_run_recorded_offline_is_shipped(url, keys, aggregator, playground, commands):
    """The run was trained without a connection to the aggregator; a viewer's key is refused."""
    name = "shipped-" + re.sub(r"\W", "-", url)
    alone = playground.run([*commands["train"], "--envs", "4", "--episodes", "1", "--name", name])
    run_dir = playground.runs_dir / name
    ship = [*commands["esper"], "ship", str(run_dir), "--aggregator", url, "--keys"]
    refused, shipped, again = (
        playground.run([*ship, str(keys / f"{key}.key")]) for key in ("viewer", "trainer", "trainer")
    )
    seen = playground.run([*commands["esper"], "log", "verify", "--json", str(keys / "runs" / name)])
    ours = playground.run([*commands["esper"], "log", "verify", "--json", str(run_dir)])

    assert alone.returncode == 0, alone.stderr
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert "refuses the key 'viewer'" in refused.stderr
    assert shipped.stdout == again.stdout
    assert re.fullmatch(r"shipped-.*/trainer:0: the aggregator has all \d+ events\n", shipped.stdout), shipped
    assert json.loads(seen.stdout)["events"] == json.loads(ours.stdout)["events"] > 0
