"""Programs with their own training loops are ranks of one run: its numbers are of all of them."""

import json
import subprocess
import sys

import pytest

from esper_bus.addresses import runtime_dir

pytestmark = pytest.mark.process

RANK = """
import sys
from esper_lite import EpisodeCompleted, PPOUpdatePayload, RolloutCompleted, RunStarted, connect

run, runs_dir, aggregator, factor, environments = sys.argv[1:]
factor, environments = float(factor), int(environments)
started = RunStarted(task="t", episodes=3, environments=environments, baseline_return=factor)
with connect(run, started=started, runs_dir=runs_dir, aggregator=aggregator or False) as telemetry:
    for line in sys.stdin:
        n = int(line)
        steps = 10 * environments
        telemetry.emit(
            RolloutCompleted(
                update=n, env_steps=steps, env_steps_total=steps * n, steps_per_second=100.0 * factor,
                mean_return=n * factor, mean_length=10.0, stage_counts=(environments, 1),
            )
        )
        telemetry.emit(EpisodeCompleted(environment=0, episode=n, episode_return=n * factor, length=10))
        telemetry.emit(PPOUpdatePayload(policy_loss=factor, value_loss=1.0, kl_divergence=0.005 * factor))
        print(n, flush=True)
"""


class Rank:
    """A training program, which makes an update whenever it is asked to."""

    def __init__(self, playground, run, factor, environments, *, runs_dir=None, aggregator="", **environment):
        arguments = [run, str(runs_dir or playground.runs_dir), aggregator, str(factor), str(environments)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", RANK, *arguments],
            env=playground.environment | {key: str(value) for key, value in environment.items()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        playground.processes.append(self.process)

    def make_update(self, number):
        """Emit the events of one update."""
        self.process.stdin.write(f"{number}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == f"{number}\n"

    def finish(self):
        """Let it end, with all events recorded."""
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0


def train(ranks, updates=3):
    """All ranks make updates by turns, and finish."""
    for number in range(1, updates + 1):
        for rank in ranks:
            rank.make_update(number)
    for rank in ranks:
        rank.finish()


@pytest.fixture(scope="module")
def run_dir(playground):
    """A run of two ranks as torchrun starts them: returns n and 5 n, in 2 and 6 environments."""
    train(
        [
            Rank(playground, "two", 1.0, 2, RANK=0, WORLD_SIZE=2),
            Rank(playground, "two", 5.0, 6, RANK=1, WORLD_SIZE=2),
        ]
    )
    return playground.runs_dir / "two"


def test_the_state_has_the_numbers_of_all_ranks(playground, commands, run_dir):
    """Sums of 20 and 60 steps an update and of 100 and 500 steps per second; means weighted with 2 and 6."""
    state = json.loads(playground.run([*commands["esper"], "state", str(run_dir)]).stdout)
    run, shown = state["run"], state["ranks"]

    assert (run["env_steps_total"], run["steps_per_second"], run["environments"]) == (240, 600.0, 8)
    assert (run["mean_return"], run["baseline_return"], run["mean_length"]) == (12.0, 4.0, 10.0)
    assert run["mean_return_history"] == [4.0, 8.0, 12.0]
    assert state["slots"]["stage_counts"] == [8, 2]
    assert state["episodes"]["completed"] == 6
    assert state["episodes"]["returns"] == [1.0, 5.0, 2.0, 10.0, 3.0, 15.0]
    assert state["tamiyo"]["policy_loss"] == 3.0
    assert state["histories"]["kl_divergence"] == pytest.approx([0.015] * 3)
    assert (run["outcome"], state["findings"]) == ("completed", [])
    assert [(rank["mean_return"], rank["policy_loss"]) for rank in shown] == [(3.0, 1.0), (15.0, 5.0)]


def test_the_header_has_the_numbers_of_all_ranks(playground, commands, run_dir):
    """Return and baseline; a recording has no speed."""
    shown = playground.run([*commands["sanctum"], str(run_dir), "--once"])
    header = shown.stdout.splitlines()[:2]

    assert "steps/s" not in header[0]
    assert "return 12.000  WAIT 4.000" in header[1]


def finding_of(playground, commands, run_dir):
    """The only finding of a run, and the exit code of a diagnosis that fails on critical ones."""
    result = playground.run([*commands["esper"], "diagnose", str(run_dir), "--json", "--fail-on", "critical"])
    (finding,) = json.loads(result.stdout)["findings"]
    return finding, result.returncode


def test_two_hosts_without_ranks_are_a_finding(playground, commands, tmp_path, wait_for):
    """Neither has WORLD_SIZE, so that both are rank 0, under one name, of one aggregator."""
    playground.start([*commands["esper"], "aggregate", "--runs-dir", str(playground.runs_dir)])
    sockets = _runtime_dir(playground)
    wait_for(lambda: list(sockets.glob("*")), what="the start of the aggregator")
    hosts = [
        Rank(playground, "hosts", factor, 2, runs_dir=tmp_path / name, aggregator=f"ipc://{sockets}")
        for factor, name in ((1.0, "a"), (5.0, "b"))
    ]
    train(hosts, updates=4)
    run_dir = playground.runs_dir / "hosts"
    wait_for(lambda: _events(playground, commands, run_dir) >= 28, what="all events in the log")
    finding, code = finding_of(playground, commands, run_dir)

    assert (finding["rule"], finding["severity"], code) == ("duplicate_rank", "critical", 1)
    assert "Two processes are rank 0" in finding["title"]
    assert "WORLD_SIZE" in finding["advice"][0]


def _runtime_dir(playground):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", playground.environment["XDG_RUNTIME_DIR"])
        return runtime_dir(playground.runs_dir)


def _events(playground, commands, run_dir):
    result = playground.run([*commands["esper"], "state", str(run_dir)])
    return json.loads(result.stdout)["events_folded"] if result.returncode == 0 else 0
