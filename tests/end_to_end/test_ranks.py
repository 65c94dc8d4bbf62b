"""Several real processes train one policy, started by torchrun or by `esper ppo --ranks`."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from esper_bus.store.run_reader import read_records
from esper_schemas.events import RunFinished, RunStarted

pytestmark = pytest.mark.process

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
SMALL = ["--envs", "6", "--threads", "1", "--checkpoint-every", "1"]
RANKS = 3


def ends_of(run_dir):
    """The last event of each producer, by its name."""
    records = [record for record in read_records(run_dir) if isinstance(record.event, RunFinished)]
    return {record.producer: record.event for record in records}


def assert_whole(playground, commands, run_dir, producers):
    """Check that `esper log verify` finds this number of producers and no problem."""
    result = playground.run([*commands["esper"], "log", "verify", str(run_dir), "--json"])
    verdict = json.loads(result.stdout)

    assert result.returncode == 0, result.stdout
    assert verdict["ok"] is True
    assert {p["producer"] for p in verdict["producers"]} == {f"trainer:{rank}" for rank in range(producers)}


def test_torchrun_starts_processes_that_one_aggregator_folds(playground, commands):
    """Every rank emits its own events, and the state has all of them."""
    command = [*TORCHRUN, "2", "-m", "esper_trainer", *SMALL, "--name", "torchrun", "--episodes", "2"]
    result = playground.run(command, timeout=250)
    run_dir = playground.runs_dir / "torchrun"
    state = json.loads(playground.run([*commands["esper"], "state", str(run_dir)]).stdout)
    started = [r.event for r in read_records(run_dir) if isinstance(r.event, RunStarted)]

    assert result.returncode == 0, result.stderr
    assert result.stdout.count("2/2  return") == 1
    assert sorted((event.rank, event.world_size) for event in started) == [(0, 2), (1, 2)]
    shown = [(rank["rank"], rank["updates"], rank["outcome"]) for rank in state["ranks"]]
    assert shown == [(0, 2, "completed"), (1, 2, "completed")]
    assert_whole(playground, commands, run_dir, 2)
    assert (run_dir / "log").exists()  # the first rank started an aggregator


NUMBER = r" +([-\d.,]+)"


def test_printed_lines_and_state_have_the_numbers_of_all_ranks(playground, commands):
    """Those of the last update are equal in both, and none of them is one rank's."""
    run_dir = playground.runs_dir / "printed"
    training = Training(playground, commands, "--name", "printed", "--episodes", "2", ranks=2)
    printed, stderr = training.process.communicate(timeout=250)
    state = json.loads(playground.run([*commands["esper"], "state", str(run_dir)]).stdout)
    run, ranks = state["run"], state["ranks"]
    last = next(line for line in printed.splitlines() if line.startswith("update    2/2"))

    for label, value, own in (
        ("return", run["mean_return"], "mean_return"),
        ("policy loss", state["tamiyo"]["policy_loss"], "policy_loss"),
        ("value loss", state["tamiyo"]["value_loss"], "value_loss"),
    ):
        assert _printed(label, last) == pytest.approx(value, abs=6e-4)
        assert value == pytest.approx(sum(rank[own] for rank in ranks) / 2)
        assert all(abs(rank[own] - value) > 2e-4 for rank in ranks)
    steps = int(re.search(r"([\d,]+) environment steps", printed)[1].replace(",", ""))
    assert steps == run["env_steps_total"] == 6 * run["horizon"] * 2
    assert _printed("always WAIT returns", printed) == pytest.approx(run["baseline_return"], abs=6e-4)
    assert (training.process.returncode, run["environments"], stderr) == (0, 6, "")
    assert sum(state["slots"]["stage_counts"]) == 6 * 3


def _printed(label, text):
    """The number behind a label."""
    return float(re.search(label + NUMBER, text)[1].replace(",", ""))


class Training:
    """A process of `esper ppo --ranks N`."""

    def __init__(self, playground, commands, *options, ranks=RANKS):
        command = [*commands["esper"], "ppo", "--no-tui", "--ranks", str(ranks), *SMALL, *options]
        self.process = subprocess.Popen(
            command, env=playground.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        playground.processes.append(self.process)

    def wait_for(self, words):
        """Read until a line of stdout contains these words."""
        assert next((line for line in iter(self.process.stdout.readline, "") if words in line), None)

    def end(self):
        """Wait for the end; return exit code and stderr."""
        _, stderr = self.process.communicate(timeout=200)
        return self.process.returncode, stderr

    def pid_of(self, run_dir, rank):
        """The process id of a rank, from its own event."""
        started = [r.event for r in read_records(run_dir) if isinstance(r.event, RunStarted)]
        return next(event.pid for event in reversed(started) if event.rank == rank)


@pytest.fixture(scope="module")
def killed(playground, commands):
    """A training with three ranks, rank 1 of which was killed; returns directory, exit code, stderr,
    seconds.
    """
    run_dir = playground.runs_dir / "killed"
    training = Training(playground, commands, "--name", "killed", "--episodes", "1000")
    training.wait_for(" 3/1000")
    os.kill(training.pid_of(run_dir, 1), signal.SIGKILL)
    began = time.monotonic()
    return run_dir, *training.end(), time.monotonic() - began


def test_the_lost_rank_is_named_once_with_the_remedy(killed):
    """The error is one sentence that says how to resume, and the exit code is 1."""
    _, code, stderr, seconds = killed

    assert code == 1
    assert stderr.count("\n") == 1, stderr
    assert "Rank 1 of 3 is gone" in stderr
    assert "--resume killed" in stderr
    assert seconds < 60


def test_the_remaining_ranks_record_their_end(killed, playground, commands):
    """Both record that the run failed and why; no log has a gap."""
    run_dir, *_ = killed
    ends = ends_of(run_dir)

    assert set(ends) == {"trainer:0", "trainer:2"}
    assert {(end.outcome, end.reason) for end in ends.values()} == {("failed", "Rank 1 of 3 is gone.")}
    assert_whole(playground, commands, run_dir, RANKS)


def test_the_run_is_resumed_and_ctrl_c_ends_all_ranks(killed, playground, commands):
    """It resumes from the last checkpoint that all ranks have; all ranks stop at the same update."""
    run_dir, *_ = killed
    saved = sorted(path.name for path in (run_dir / "checkpoints").glob("*-rank0.pt"))
    (run_dir / "checkpoints" / saved[-1]).unlink()
    last = int(saved[-2].split("-")[0])
    training = Training(playground, commands, "--resume", "killed", "--episodes", "2000")
    training.wait_for(f"{last + 2}/2000")
    training.process.send_signal(signal.SIGINT)
    code, stderr = training.end()
    ends = ends_of(run_dir)
    resumed = [r.event.resumed_from for r in read_records(run_dir) if isinstance(r.event, RunStarted)]

    assert (code, stderr) == (1, "")
    assert [end.outcome for end in ends.values()] == ["interrupted"] * RANKS
    assert len({end.updates for end in ends.values()}) == 1
    assert resumed[-RANKS:] == [last] * RANKS
    assert_whole(playground, commands, run_dir, RANKS)


def test_a_stuck_rank_is_not_waited_for_forever(playground, commands):
    """The rank is stopped, not gone; after `--patience` the others end."""
    run_dir = playground.runs_dir / "stuck"
    options = ["--name", "stuck", "--episodes", "1000", "--patience", "10"]
    training = Training(playground, commands, *options, ranks=2)
    training.wait_for(" 1/1000")
    stuck = training.pid_of(run_dir, 1)
    os.kill(stuck, signal.SIGSTOP)
    said = training.process.stderr.readline()
    os.kill(stuck, signal.SIGKILL)

    assert re.search(r"Rank 1 of 2 is gone or stuck: no response for 10 s\..*--resume stuck", said)
    assert training.end() == (1, "")
