"""`esper follow` records while another program writes: real processes, signals and an aggregator."""

import os
import signal
import subprocess
import sys

import pytest
from tests.api.importing.conftest import event_file, folded, frame, recorded, updates
from tests.bus.conftest import runs_dir, runtime, until

from esper_bus.addresses import for_runs_dir
from esper_bus.host.aggregator_lock import aggregator_running
from esper_bus.net.snapshot_source import SocketSource
from esper_bus.store.run_reader import read_log
from esper_lite import RunFinished, RunStarted, open_run
from esper_lite.importing.import_logs import import_logs

__all__ = ["runs_dir", "runtime", "until"]

pytestmark = pytest.mark.process


@pytest.fixture
def log_dir(tmp_path):
    """A directory for logs."""
    directory = tmp_path / "logs"
    directory.mkdir()
    return directory


@pytest.fixture
def follow(runs_dir, runtime, until):
    """Starts `esper follow`; ends it, and the aggregator that it started, with the test."""
    processes = []

    def start(*words):
        command = [sys.executable, "-m", "esper_cli", "follow", *map(str, words), "--runs-dir", str(runs_dir)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline().startswith("following ")
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()
    if aggregator_running(runs_dir):
        os.kill(int((runs_dir / ".aggregator.lock").read_text().split()[0]), signal.SIGTERM)
        until(lambda: not aggregator_running(runs_dir))


@pytest.fixture
def screen(runs_dir):
    """What a screen of that runs directory shows; None so far."""
    source = SocketSource(lambda: for_runs_dir(runs_dir))
    latest = []

    def poll():
        latest.append(source.poll().snapshot)
        return latest[-1]

    yield poll
    source.close()


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_screen_shows_what_is_written(follow, screen, until, log_dir, runs_dir, number):
    """The directory was empty at the start; a signal ends the run, and the report names what was done."""
    process = follow(log_dir)
    path = event_file(log_dir / "tfevents", *updates(1, 3))
    until(lambda: (shown := screen()) and shown.run.last_step == 3 * 2048)
    with path.open("ab") as file:
        file.write(b"".join(map(frame, updates(4, 5))))
    until(lambda: (shown := screen()) and shown.tamiyo.ppo_updates_count == 5)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, err) == (0, "")
    assert out.splitlines() == [
        f"recording {log_dir} as {runs_dir}/logs",
        f"{runs_dir}/logs: 5 rows and 15 values of {log_dir}; 5 updates in all",
    ]
    assert [r.event for r in open_run(runs_dir / "logs").records()][-1] == RunFinished(
        outcome="interrupted", updates=5, reason="esper follow ended"
    )


@pytest.mark.slow
@pytest.mark.process
def test_a_follower_that_is_killed_again_and_again_records_each_value_once(
    follow, until, log_dir, runs_dir, screen
):
    """It is killed while it reads; the aggregator's log has all values in their order."""
    path = event_file(log_dir / "tfevents")
    pieces = [b"".join(map(frame, updates(first, first + 3))) for first in range(1, 41, 4)]
    for number in range(0, len(pieces), 2):
        process = follow(log_dir)
        with path.open("ab") as file:
            file.write(pieces[number][:-20])
            file.flush()
            until(lambda step=number * 4 * 2048: (s := screen()) and (s.run.last_step or 0) > step)
            file.write(pieces[number][-20:] + pieces[number + 1])
        process.kill()
        process.wait()
    process = follow(log_dir, "--idle-exit", "1")
    _, err = process.communicate(timeout=60)
    (whole,) = import_logs(log_dir, runs_dir, "whole")

    assert (process.returncode, err) == (0, "")
    assert folded(runs_dir / "logs") == folded(runs_dir / "whole")
    assert open_run(runs_dir / "logs").findings() == open_run(runs_dir / "whole").findings()
    until(lambda: sum(isinstance(r.decoded().event, RunFinished) for r in read_log(runs_dir / "logs")) == 1)
    starts = [r.decoded().event for r in read_log(runs_dir / "logs")]
    assert sum(isinstance(event, RunStarted) for event in starts) >= 3
    assert whole.totals.updates == 40


@pytest.mark.process
def test_it_ends_by_itself_if_nothing_is_added(follow, log_dir, runs_dir):
    """The run is completed then; nothing to follow is no failure."""
    event_file(log_dir / "tfevents", *updates(1, 3))
    process = follow(log_dir, "--idle-exit", "0.5", "--name", "mine")
    nothing = follow(log_dir / "none", "--idle-exit", "0")

    assert process.wait(60) == nothing.wait(60) == 0
    assert len(recorded(runs_dir / "mine")) == 3
    assert [r.event for r in open_run(runs_dir / "mine").records()][-1].outcome == "completed"


@pytest.mark.process
def test_a_problem_is_one_sentence(follow, log_dir, runs_dir):
    """The run belongs to a trainer, or the mapping does not fit the table."""
    (log_dir / "table.csv").write_text("a,b\n1,2\n")
    mapping = log_dir / "mapping.toml"
    mapping.write_text('step = "frame"\n')
    process = follow(log_dir / "table.csv", "--mapping", mapping)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 1
    assert err.startswith("esper follow: table.csv has no column 'frame'")
    assert err.count("\n") == 1
