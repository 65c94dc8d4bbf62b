"""Tests of the events that a process of a run emits, with real files and processes."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from esper_bus.store.run_reader import read_records
from esper_lite import PPOUpdateCompleted, PPOUpdatePayload, RunFinished, RunStarted

ROOT = Path(__file__).parents[2]


def test_a_payload_is_the_next_update(connect, events):
    """A program emits only measurements; the start, the numbers and the end are added."""
    with connect() as telemetry:
        telemetry.emit(PPOUpdatePayload(policy_loss=0.25))
        telemetry.emit(PPOUpdatePayload(policy_loss=0.5))
    started, first, second, finished = events()

    assert (started.task, started.rank, started.world_size) == ("cartpole", 0, 1)
    assert started.pid == os.getpid()
    assert first == PPOUpdateCompleted(update=1, payload=PPOUpdatePayload(policy_loss=0.25))
    assert second == PPOUpdateCompleted(update=2, payload=PPOUpdatePayload(policy_loss=0.5))
    assert finished == RunFinished(outcome="completed", updates=2)


def test_an_event_is_emitted_unchanged(connect, events, episode):
    """An update with a number sets the count; the program's own RunFinished is the only one."""
    with connect(started=RunStarted(task="cart-pole", episodes=9, clip_range=0.3)) as telemetry:
        telemetry.emit(episode(7))
        telemetry.emit(PPOUpdateCompleted(update=41, payload=PPOUpdatePayload()))
        telemetry.emit(PPOUpdatePayload())
        telemetry.emit(RunFinished(outcome="completed", updates=42, reason="solved"))
    started, one, *updates, finished = events()

    assert (started.task, started.episodes, started.clip_range) == ("cart-pole", 9, 0.3)
    assert one == episode(7)
    assert [event.update for event in updates] == [41, 42]
    assert finished == RunFinished(outcome="completed", updates=42, reason="solved")


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (RuntimeError("out of memory"), "failed", "RuntimeError: out of memory"),
        (AssertionError(), "failed", "AssertionError"),
        (KeyboardInterrupt(), "interrupted", ""),
        (SystemExit(3), "failed", "SystemExit: 3"),
        (SystemExit(0), "completed", ""),
        (SystemExit(), "completed", ""),
    ],
)
def test_an_exception_is_recorded_as_the_end_of_the_run(connect, events, error, outcome, reason):
    """The exception is raised again, and the run ends with its reason."""

    def train():
        with connect() as telemetry:
            telemetry.emit(PPOUpdatePayload())
            raise error

    with pytest.raises(type(error)):
        train()
    assert events()[-1] == RunFinished(outcome=outcome, updates=1, reason=reason)


def test_threads_never_give_two_updates_the_same_number(connect, events):
    """Each payload is the next update, from any thread."""
    barrier, interval = threading.Barrier(8), sys.getswitchinterval()

    def emit(telemetry):
        barrier.wait()
        for _ in range(2000):
            telemetry.emit(PPOUpdatePayload())

    sys.setswitchinterval(1e-6)  # threads switch almost anywhere, instead of each 5 ms
    try:
        with connect() as telemetry, ThreadPoolExecutor(8) as threads:
            list(threads.map(emit, [telemetry] * 8))
    finally:
        sys.setswitchinterval(interval)
    updates = [event.update for event in events() if isinstance(event, PPOUpdateCompleted)]

    assert updates == list(range(1, 16_001))


def test_disabled_telemetry_creates_nothing(connect, runs_dir):
    """It creates no file and no thread; payloads are still counted."""
    threads = threading.active_count()
    with connect(enabled=False, aggregator=True) as telemetry:
        telemetry.emit(PPOUpdatePayload())

        assert not telemetry.enabled
        assert telemetry.updates == 1
        assert threading.active_count() == threads
    assert not runs_dir.exists()


@pytest.fixture
def program(runs_dir):
    """Runs a program of a user in its own process."""
    packages = ("api", "schemas", "bus")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(ROOT / package) for package in packages),
        "ESPER_RUNS_DIR": str(runs_dir),
    }

    def run(text, **variables):
        return subprocess.run(
            [sys.executable, "-c", text],
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.process
@pytest.mark.parametrize(
    "ending", ["sys.exit(3)", "raise RuntimeError", "os.kill(os.getpid(), signal.SIGINT)"]
)
def test_the_queue_is_written_at_any_end_of_a_program(program, runs_dir, ending):
    """Leaving the `with` block writes all events in the queue, and the outcome."""
    done = program(
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a background shell\n"
        "from esper_lite import PPOUpdatePayload, connect\n"
        "with connect('cartpole', aggregator=False) as telemetry:\n"
        "    for _ in range(5000):\n"
        "        telemetry.emit(PPOUpdatePayload())\n"
        f"    {ending}\n"
    )
    events = [record.event for record in read_records(runs_dir / "cartpole")]

    assert done.returncode != 0
    assert len(events) == 5002
    assert isinstance(events[-1], RunFinished)
    assert events[-1].outcome == ("interrupted" if "kill" in ending else "failed")


FORK = """
import os, threading
from esper_lite import PPOUpdatePayload, RunStarted, Telemetry

class Blocked:
    def __init__(self):
        self.inside, self.events = threading.Event(), 0
    def emit(self, event):
        self.events += 1
        if not isinstance(event, RunStarted):
            self.inside.set()
            threading.Event().wait()

emitter = Blocked()
telemetry = Telemetry(emitter, RunStarted(task="fork"))
threading.Thread(target=telemetry.emit, args=[PPOUpdatePayload()], daemon=True).start()
emitter.inside.wait()
child = os.fork()
if child == 0:
    telemetry.emit(PPOUpdatePayload())
    os._exit(emitter.events)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.process
def test_a_forked_copy_records_nothing_and_does_not_wait(program):
    """It does not wait for a thread that was emitting, and that does not exist in the copy."""
    assert program(FORK).stdout == "2\n"
