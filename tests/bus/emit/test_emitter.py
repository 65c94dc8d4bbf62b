"""Tests of the emitter with real spools, sockets and processes: no failure reaches the caller."""

import errno
import logging
import os
import re
import resource
import shutil
import signal
import threading
import time
import warnings
from collections import Counter
from fractions import Fraction

import pytest
import zmq

from esper_bus.addresses import ipc_path
from esper_bus.emit import writer_thread as writer_thread_module
from esper_bus.emit.emitter import Emitter, EmitterReport, NullEmitter
from esper_bus.paths import RunPaths
from esper_bus.protocol.frames import Error, encode
from esper_bus.store.run_reader import read_log, read_raw, read_records
from esper_bus.store.spool import SpoolWriter
from esper_bus.store.verify import verify
from esper_schemas.codec import encode_event
from esper_schemas.errors import InvalidArgument, StorageError
from esper_schemas.event_repair import Repaired
from esper_schemas.events import EpisodeCompleted, EventsDropped, LogRecorded, PPOUpdateCompleted, RunStarted
from esper_schemas.payload import PPOUpdatePayload

FULL_DISK = """
import logging, resource, sys, time
from pathlib import Path
from esper_bus.emit.emitter import Emitter
from esper_schemas.events import EpisodeCompleted

logging.basicConfig(stream=sys.stdout, format="%(message)s")
run_dir, ingest, max_events = Path(sys.argv[1]), sys.argv[2] or None, int(sys.argv[3])
emitter = Emitter("run", "host:0", run_dir, ingest, max_events=max_events)

def emit(first, end):
    for number in range(first, end):
        emitter.emit(EpisodeCompleted(environment=0, episode=number, episode_return=0.0, length=9))
        if number % 100 == 0:
            time.sleep(0.005)

emit(0, 500)
while emitter.stats.spooled < 500:
    time.sleep(0.01)
size = Path(emitter.stats.spool).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 300, resource.RLIM_INFINITY))
emit(500, 3000)
while not emitter.stats.problem:
    time.sleep(0.01)
print(emitter.stats.problem, flush=True)
if sys.argv[4] == "heal":
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    while emitter.stats.problem:
        time.sleep(0.01)
    emit(3000, 3100)
report = emitter.close(5.0)
print(report.emitted, report.spooled, report.acknowledged, report.dropped, report.errors, flush=True)
"""


@pytest.fixture
def run_dir(runs_dir):
    """The directory of a run."""
    return runs_dir / "run"


@pytest.fixture
def emitter(run_dir):
    """Makes emitters that are closed at the end."""
    made = []

    def make(ingest=None, **options):
        made.append(Emitter("run", "host:0", run_dir, ingest, **options))
        return made[-1]

    yield make
    for one in made:
        one.close(0.0)


def numbers(path, reader=read_raw):
    """The episode numbers in a run's files."""
    return [record.decoded().event.episode for record in reader(path)]


def test_without_an_aggregator_everything_is_in_the_spool(emitter, run_dir, episode):
    """Each event is there once and in order, with the time at which it was emitted."""
    one = emitter()
    before = time.time_ns()
    for number in range(1000):
        one.emit(episode(number))
    report = one.close()
    found = list(read_records(run_dir))

    assert [record.event.episode for record in found] == list(range(1000))
    assert all(before <= record.emitted_ns <= time.time_ns() for record in found)
    assert (report.emitted, report.spooled, report.acknowledged, report.dropped) == (1000, 1000, 0, 0)
    assert verify(run_dir).ok


def test_a_lone_event_is_on_disk_at_once(emitter, run_dir, episode, until):
    """It does not wait for further events."""
    one = emitter()
    for number in range(3):
        one.emit(episode(number))
        until(lambda number=number: numbers(run_dir) == list(range(number + 1)))


def test_an_event_is_recorded_as_it_was_when_emitted(emitter, run_dir):
    """Later changes by the caller have no effect."""
    one = emitter()
    config = {"seed": 1}
    one.emit(RunStarted(task="digits", config=config))
    config["seed"] = 2
    one.close()
    (record,) = read_records(run_dir)

    assert record.event.config == {"seed": 1}


@pytest.mark.process
def test_events_reach_an_aggregator(emitter, aggregator, run_dir, endpoints, episode):
    """`close` waits until all of them are in the log."""
    aggregator()
    one = emitter(endpoints.ingest)
    for number in range(500):
        one.emit(episode(number))
    report = one.close(10.0)

    assert (report.acknowledged, report.problem) == (500, "")
    assert numbers(run_dir, read_log) == list(range(500))


@pytest.mark.process
def test_a_late_aggregator_gets_everything(emitter, aggregator, run_dir, endpoints, episode, until):
    """Events that are no longer in memory are read from the spool."""
    one = emitter(endpoints.ingest)
    for number in range(12_000):
        one.emit(episode(number))
        if number % 1000 == 0:
            time.sleep(0.01)
    aggregator()
    until(lambda: one.stats.acknowledged)  # `close` does not wait for an aggregator that was silent for long
    report = one.close(20.0)

    assert report.acknowledged == 12_000
    assert numbers(run_dir, read_log) == list(range(12_000))


@pytest.mark.process
def test_a_spool_that_cannot_be_read_for_a_while_leaves_no_gap(
    emitter, aggregator, run_dir, endpoints, episode, until, monkeypatch
):
    """A process without a free descriptor sends its older events later, instead of reporting them lost."""
    failures = []
    read = SpoolWriter.read

    def without_descriptors(self, *arguments):
        if len(failures) < 5:
            failures.append(arguments)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return read(self, *arguments)

    monkeypatch.setattr(SpoolWriter, "read", without_descriptors)
    one = emitter(endpoints.ingest)
    for number in range(12_000):
        one.emit(episode(number))
        if number % 1000 == 0:
            time.sleep(0.01)
    until(lambda: one.stats.spooled == 12_000)
    aggregator()
    until(lambda: one.stats.acknowledged == 12_000)

    assert len(failures) == 5
    assert numbers(run_dir, read_log) == list(range(12_000))


@pytest.mark.process
def test_killing_the_aggregator_loses_and_duplicates_nothing(
    emitter, aggregator, run_dir, endpoints, episode, until
):
    """It is killed four times in the middle of the stream."""
    one = emitter(endpoints.ingest)
    number = 0
    for _ in range(4):
        process = aggregator()
        deadline = time.monotonic() + 0.4
        while time.monotonic() < deadline:
            for _ in range(20):
                one.emit(episode(number))
                number += 1
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    aggregator()
    one.emit(episode(number))
    number += 1
    until(lambda: one.stats.acknowledged == number, timeout=20)
    report = one.close(20.0)
    result = verify(run_dir)

    assert report.acknowledged == number
    assert numbers(run_dir, read_log) == list(range(number))
    assert [(p.events, p.gaps, p.duplicates) for p in result.producers] == [(number, 0, 0)]


@pytest.mark.process
def test_a_stopped_aggregator_blocks_no_caller(emitter, aggregator, endpoints, episode, run_dir, until):
    """Emitting continues, `close` keeps its timeout, and the spool has everything."""
    process = aggregator()
    one = emitter(endpoints.ingest)
    one.emit(episode(0))
    until(lambda: one.stats.acknowledged == 1)
    process.send_signal(signal.SIGSTOP)
    for number in range(1, 5000):
        one.emit(episode(number))
    started = time.monotonic()
    report = one.close(0.5)
    took = time.monotonic() - started

    assert took < 60.0  # without a bound it would wait for an acknowledgement that never comes
    assert report.spooled == 5000
    assert report.acknowledged < 5000
    assert numbers(run_dir) == list(range(5000))


def test_closing_without_an_aggregator_does_not_wait(emitter, endpoints, episode, until):
    """If nothing was received for long, `close` returns long before its timeout."""
    one = emitter(endpoints.ingest)
    one._writer._uplink or until(lambda: one._writer._uplink)
    one._writer._uplink.link._received_at -= 100
    one.emit(episode(0))
    started = time.monotonic()
    one.close(90.0)

    assert time.monotonic() - started < 60.0


@pytest.mark.process
def test_a_trainer_that_is_killed_leaves_everything_it_emitted(run_dir, python):
    """SIGKILL comes 10 ms after the last event; on a busy machine, up to ten events may be missing."""
    program = """
import os, signal, sys, time
from pathlib import Path
from esper_bus.emit.emitter import Emitter
from esper_schemas.events import EpisodeCompleted

emitter = Emitter("run", "host:0", Path(sys.argv[1]))
for number in range(300):
    emitter.emit(EpisodeCompleted(environment=0, episode=number, episode_return=0.0, length=9))
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""
    process = python(program, run_dir)

    assert process.wait(timeout=60) == -signal.SIGKILL

    found = numbers(run_dir)

    assert found == list(range(len(found)))
    assert len(found) >= 290


@pytest.mark.process
def test_a_trainer_that_is_killed_in_a_tight_loop_loses_at_most_the_last_drain(run_dir, python):
    """What was written before the kill is there, each event once and in order."""
    program = """
import os, signal, sys
from pathlib import Path
from esper_bus.emit.emitter import Emitter
from esper_schemas.events import EpisodeCompleted

emitter = Emitter("run", "host:0", Path(sys.argv[1]))
for number in range(30_000):
    emitter.emit(EpisodeCompleted(environment=0, episode=number, episode_return=0.0, length=9))
print(emitter.stats.spooled, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    process = python(program, run_dir)
    written, _ = process.communicate(timeout=60)
    found = numbers(run_dir)

    assert process.returncode == -signal.SIGKILL
    assert found == list(range(len(found)))
    assert 0 < int(written) <= len(found) <= 30_000


@pytest.mark.process
@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("os._exit(3)", 3),
        ("os.abort()", -signal.SIGABRT),
    ],
)
def test_a_trainer_that_ends_without_python_leaves_what_it_emitted_before(run_dir, python, ending, code):
    """No Python code runs at such an end; events that were already written are not lost."""
    program = f"""
import os, signal, sys, threading, time
from pathlib import Path
from esper_bus.emit.emitter import Emitter
from esper_schemas.events import EpisodeCompleted

def fail():
    raise RuntimeError("in a thread, which ends nothing")

threading.excepthook = lambda _: None
emitter = Emitter("run", "host:0", Path(sys.argv[1]))
for number in range(1000):
    emitter.emit(EpisodeCompleted(environment=0, episode=number, episode_return=0.0, length=9))
threading.Thread(target=fail).start()
while emitter.stats.spooled < 1000:
    time.sleep(0.001)
{ending}
"""
    process = python(program, run_dir)

    assert process.wait(timeout=60) == code
    assert numbers(run_dir) == list(range(1000))


@pytest.mark.process
def test_an_interpreter_that_ends_with_a_full_queue_accounts_for_everything(run_dir, python):
    """The spool contains a report of the events that were dropped."""
    program = """
import sys
from pathlib import Path
from esper_bus.emit.emitter import Emitter
from esper_schemas.events import EpisodeCompleted

emitter = Emitter("run", "host:0", Path(sys.argv[1]), max_events=300)
for number in range(20_000):
    emitter.emit(EpisodeCompleted(environment=0, episode=number, episode_return=0.0, length=9))
"""
    process = python(program, run_dir)

    assert process.wait(timeout=60) == 0

    events = [record.event for record in read_records(run_dir)]
    lost = [event.count for event in events if isinstance(event, EventsDropped)]

    assert sum(lost) > 0
    assert len(events) - len(lost) + sum(lost) == 20_000
    assert verify(run_dir).ok


@pytest.mark.process
@pytest.mark.parametrize("ending", ["", "sys.exit(3)", "raise RuntimeError('boom')"])
def test_a_trainer_that_ends_without_closing_loses_nothing(run_dir, python, ending):
    """The end of the interpreter closes the emitter."""
    program = f"""
import sys
from pathlib import Path
from esper_bus.emit.emitter import Emitter
from esper_schemas.events import EpisodeCompleted

sys.excepthook = lambda *_: None
emitter = Emitter("run", "host:0", Path(sys.argv[1]))
for number in range(20_000):
    emitter.emit(EpisodeCompleted(environment=0, episode=number, episode_return=0.0, length=9))
{ending}
"""
    process = python(program, run_dir)
    process.wait(timeout=60)

    assert numbers(run_dir) == list(range(20_000))
    assert verify(run_dir).ok


@pytest.mark.process
def test_a_full_disk_loses_nothing_while_an_aggregator_listens(run_dir, python, aggregator, endpoints):
    """Events go from memory to the log, and the full disk is logged once."""
    aggregator()
    process = python(FULL_DISK, run_dir, endpoints.ingest, 2000, "stay")  # more than that is emitted
    output, _ = process.communicate(timeout=60)
    lines = output.splitlines()
    emitted, spooled, acknowledged, dropped, errors = map(int, lines[-1].split())

    assert sum("cannot write the spool" in line for line in lines) == 1
    assert any("free space" in line for line in lines)
    events = [record.decoded().event for record in read_log(run_dir)]
    (warning,) = [event for event in events if isinstance(event, LogRecorded)]

    assert (emitted, acknowledged, dropped, errors) == (3000, 3001, 0, 0)
    assert 500 <= spooled < 3000
    assert [event.episode for event in events if event is not warning] == list(range(3000))
    assert warning.level == "warning"
    assert re.fullmatch(
        r"cannot write the spool; .* memory: Cannot write .* \(File too large\); free space\.",
        warning.message,
    )


@pytest.mark.process
def test_a_full_disk_without_an_aggregator_is_counted(run_dir, python):
    """Memory is bounded; once there is space again, the dropped events are reported in the spool."""
    process = python(FULL_DISK, run_dir, "", 1000, "heal")
    output, _ = process.communicate(timeout=60)
    emitted, spooled, _, dropped, errors = map(int, output.splitlines()[-1].split())
    events = [record.event for record in read_records(run_dir)]
    losses = [event for event in events if isinstance(event, EventsDropped)]
    levels = [event.level for event in events if isinstance(event, LogRecorded)]
    kept = [event.episode for event in events if not isinstance(event, EventsDropped | LogRecorded)]

    assert emitted == 3100
    assert levels == ["warning", "info"]
    assert dropped == sum(loss.count for loss in losses) >= 1000
    assert Counter(dict(losses[0].by_kind)).total() == losses[0].count
    assert losses[0].first_ns <= losses[0].last_ns
    assert len(kept) + dropped == emitted
    assert spooled == len(events)
    assert kept == sorted(set(kept))
    assert kept[-1] == 3099
    assert errors == 0
    assert verify(run_dir).dropped == dropped


@pytest.mark.process
@pytest.mark.parametrize("max_events", [400, 65_536])
def test_events_that_a_full_disk_refuses_at_the_end_are_counted_and_logged(run_dir, python, max_events):
    """Events that are in memory at the end, and those that found no room there, are counted as dropped."""
    process = python(FULL_DISK, run_dir, "", max_events, "stay")
    output, _ = process.communicate(timeout=60)
    emitted, spooled, acknowledged, dropped, errors = map(int, output.splitlines()[-1].split())
    (warning,) = [line for line in output.splitlines() if "were not written and are lost" in line]
    events = [record.event for record in read_records(run_dir)]
    reports = sum(isinstance(event, EventsDropped | LogRecorded) for event in events)

    assert (emitted, acknowledged, errors) == (3000, 0, 0)
    assert spooled == len(events)
    assert dropped == emitted - (len(events) - reports) > 0
    assert "free space" in warning
    assert max_events < 3000 or f"count={dropped}" in warning


def test_a_thread_that_hangs_at_its_disk_is_logged(emitter, episode, monkeypatch, caplog, until):
    """Its events are logged as lost and count as held; when the thread wakes up, they are written."""
    awake = threading.Event()
    write = SpoolWriter.write
    monkeypatch.setattr(SpoolWriter, "write", lambda *args: awake.wait() and write(*args))
    one = emitter()
    for number in range(10):
        one.emit(episode(number))
    report = one.close(0.0)
    logged = caplog.text
    awake.set()

    assert (report.held, report.dropped) == (10, 0)
    assert "were not written and are lost" in logged
    assert "check its disk" in logged

    until(lambda: one.stats.spooled == 10)

    assert (one.stats.held, one.stats.dropped) == (0, 0)


@pytest.mark.process
def test_events_of_a_spool_at_its_quota_stay_in_memory_and_it_is_reported(
    emitter, aggregator, run_dir, endpoints, episode, until
):
    """Once memory is full as well, losses are counted; a later aggregator gets all other events."""
    one = emitter(endpoints.ingest, max_events=1000, spool_quota=2**20)
    number = 0
    while not (one.stats.problem and one.stats.dropped):
        one.emit(episode(number))
        number += 1
        if number % 200 == 0:
            time.sleep(0.002)
    at_quota = one.stats
    aggregator()
    until(lambda: one.stats.acknowledged > at_quota.spooled, timeout=30)
    until(lambda: one.emit(episode(number)) or not one.stats.problem, pause=0.1)
    report = one.close(20.0)
    events = [record.decoded().event for record in read_log(run_dir)]
    messages = [event.message for event in events if isinstance(event, LogRecorded)]
    losses = [event for event in events if isinstance(event, EventsDropped)]
    size = sum(path.stat().st_size for path in RunPaths(run_dir).spool_dir.glob("*.mcap"))

    assert "has reached its quota of 1 MiB and no file of it is acknowledged" in at_quota.problem
    assert size <= 2**20 + 2**17  # and the indexes
    problem = "cannot write the spool; events are kept in memory"
    assert messages == [f"{problem}: {at_quota.problem}", f"resolved: {problem}"]
    assert sum(loss.count for loss in losses) == report.dropped > 0
    assert report.acknowledged == len(events) == report.emitted - report.dropped + len(messages) + len(losses)
    assert verify(run_dir).ok


@pytest.mark.slow
@pytest.mark.parametrize("idle", [False, True])
def test_a_deleted_spool_is_written_again(emitter, run_dir, episode, until, caplog, idle):
    """Unacknowledged events in memory are written to a new file, even if nothing more is emitted."""
    one = emitter()
    for number in range(100):
        one.emit(episode(number))
    until(lambda: one.stats.spooled == 100)
    shutil.rmtree(run_dir)
    if idle:
        until(lambda: run_dir.exists())
    for number in range(100, 200):
        one.emit(episode(number))
    report = one.close()
    events = [record.event for record in read_records(run_dir)]
    (warning,) = [event for event in events if isinstance(event, LogRecorded)]

    assert (report.emitted, report.spooled, report.dropped, report.problem) == (200, 201, 0, "")
    assert [event.episode for event in events if event is not warning] == list(range(200))
    assert re.fullmatch(
        r"the spool was deleted .*: \d+ events are written again, 0 are lost", warning.message
    )
    assert report.spool == str(next(run_dir.glob("spool/*.mcap")))
    assert "the spool was deleted" in caplog.text


def test_a_spool_deleted_at_the_end_is_written_again(emitter, run_dir, episode, until):
    """`close` checks that the spool still exists."""
    one = emitter()
    one.emit(episode(0))
    until(lambda: one.stats.spooled == 1)
    shutil.rmtree(run_dir)
    one.close()
    (event, warning) = (record.event for record in read_records(run_dir))

    assert event == episode(0)
    assert "the spool was deleted" in warning.message


@pytest.mark.slow
def test_events_stay_in_memory_while_a_deleted_spool_cannot_be_created_again(
    emitter, run_dir, episode, until
):
    """Creating the spool is retried until it succeeds."""
    one = emitter()
    one.emit(episode(0))
    until(lambda: one.stats.spooled == 1)
    shutil.rmtree(run_dir)
    run_dir.write_text("in the way")
    one.emit(episode(1))
    until(lambda: one.stats.problem)
    in_memory = one.stats
    run_dir.unlink()
    until(lambda: not one.stats.problem)
    one.close()
    events = [record.event for record in read_records(run_dir)]
    messages = [event.message for event in events if isinstance(event, LogRecorded)]

    assert (in_memory.spooled, in_memory.held) == (0, 2)
    assert [event for event in events if not isinstance(event, LogRecorded)] == [episode(0), episode(1)]
    assert [message[:20] for message in messages] == [
        "cannot write the spo",
        "the spool was delete",
        "resolved: cannot wri",
    ]


@pytest.mark.slow
def test_an_intermittent_problem_is_logged_once_and_its_end_once_it_stays_away(
    emitter, run_dir, episode, until, monkeypatch
):
    """Both are reported in the run itself, even if nothing more is emitted."""
    monkeypatch.setattr(writer_thread_module, "_SETTLED_S", 0.5)
    monkeypatch.setattr(writer_thread_module, "_RETRY_SPOOL_S", 0.02)
    write, full = SpoolWriter.write, threading.Event()

    def refuse(*args):
        if full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        write(*args)

    monkeypatch.setattr(SpoolWriter, "write", refuse)
    one = emitter()
    for number in range(5):
        full.set()
        one.emit(episode(number))
        until(lambda: one.stats.problem)
        full.clear()
        until(lambda: not one.stats.problem)

    def levels():
        events = [record.event for record in read_records(run_dir)]
        return [event.level for event in events if isinstance(event, LogRecorded)]

    until(lambda: levels() == ["warning"])
    until(lambda: levels() == ["warning", "info"])
    one.close()

    assert levels() == ["warning", "info"]


def test_a_burst_beyond_all_limits_is_counted(emitter, run_dir, episode):
    """A loop that only emits outruns the writer; the spool reports how many events were dropped."""
    one = emitter(max_events=100)
    for number in range(5000):
        one.emit(episode(number))
    report = one.close()
    result = verify(run_dir)

    assert report.dropped > 0
    assert report.emitted == 5000
    assert result.dropped == report.dropped
    assert result.ok


def test_an_event_that_no_reader_could_decode_is_counted(emitter, run_dir, episode):
    """`emit` does not raise; the spool contains a report of the dropped event."""
    one = emitter()
    one.emit(EpisodeCompleted(environment="first", episode=1, episode_return=0.5, length=9))
    one.emit(object())
    one.emit(episode(1))
    report = one.close()
    events = [record.event for record in read_records(run_dir)]
    (dropped,) = (event for event in events if isinstance(event, EventsDropped))

    assert (report.emitted, report.dropped) == (3, 2)
    assert dropped.by_kind == {"EpisodeCompleted": 1, "unknown": 1}
    assert episode(1) in events


def test_a_value_that_is_not_a_number_costs_only_itself(emitter, run_dir, until):
    """The update is recorded; the value is named in the report, in the run's log and in the logging."""
    one = emitter()
    payload = PPOUpdatePayload(policy_loss=Fraction(1, 2), kl_divergence="high")
    one.emit(PPOUpdateCompleted(update=1, payload=payload))
    until(lambda: one.stats.left_out == 1)

    problem = "PPOUpdateCompleted.payload.kl_divergence is text and is left out; emit a number."
    assert one.stats.problem == problem
    report = one.close()
    update, log = (record.event for record in read_records(run_dir))
    assert (report.dropped, report.left_out) == (0, 1)
    assert (update.payload.policy_loss, update.payload.kl_divergence) == (0.5, None)
    assert log == LogRecorded(
        level="warning",
        message="a value was left out: PPOUpdateCompleted.payload.kl_divergence: it is text",
    )


def test_an_event_that_cannot_be_repaired_costs_no_other(emitter, run_dir, episode, monkeypatch):
    """Events that were emitted just before and after it are recorded; it is counted."""

    def fail(data):
        if b"poison" in data:
            raise RuntimeError("not thought of")
        return Repaired(data)

    monkeypatch.setattr("esper_bus.emit.value_check.repaired", fail)
    one = emitter()
    one.emit(episode(1))
    one.emit(LogRecorded(level="poison", message="of no level that exists"))
    one.emit(episode(2))
    report = one.close()
    events = [record.event for record in read_records(run_dir)]

    assert [event for event in events if isinstance(event, EpisodeCompleted)] == [episode(1), episode(2)]
    assert (report.emitted, report.dropped, report.errors) == (3, 1, 0)


def test_the_same_invalid_value_is_reported_once(emitter, run_dir):
    """At every update it would fill the log; the report counts all of them."""
    one = emitter()
    for update in range(100):
        payload = PPOUpdatePayload(kl_divergence="high")
        one.emit(PPOUpdateCompleted(update=update, payload=payload))
    report = one.close()

    assert report.left_out == 100
    assert len(list(read_records(run_dir))) == 101


def test_emitting_after_close_is_harmless(emitter, episode, run_dir):
    """The event is counted as dropped and not written; `close` can be called again."""
    one = emitter()
    one.emit(episode(0))
    first = one.close()
    one.emit(episode(1))
    second = one.close()

    assert (first.emitted, first.dropped) == (1, 0)
    assert (second.emitted, second.dropped) == (2, 1)
    assert numbers(run_dir) == [0]


@pytest.mark.process
def test_a_forked_child_emits_nothing(emitter, episode, run_dir):
    """Workers inherit an emitter that does nothing, also at their end; the parent's continues."""
    one = emitter()
    one.emit(episode(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
        pid = os.fork()
    if pid == 0:
        one.emit(episode(1))
        one.close()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    one.emit(episode(2))
    one.close()

    assert status == 0
    assert numbers(run_dir) == [0, 2]


@pytest.mark.process
def test_a_child_forked_in_the_middle_of_an_emit_is_not_stuck(emitter, episode, until):
    """The lock may have been held by a thread that does not exist in the child."""
    one = emitter()
    held, leave = threading.Event(), threading.Event()

    def hold():
        with one._queue._drop_lock:
            held.set()
            leave.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        one.emit(episode(1))
        one.close()
        os._exit(0)
    try:
        _, status = until(lambda: (ended := os.waitpid(pid, os.WNOHANG))[0] and ended)
    except AssertionError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        leave.set()
        thread.join()

    assert status == 0


def test_many_threads_may_emit(emitter, episode, run_dir):
    """Each event gets its own sequence number."""
    one = emitter()

    def work(first):
        for number in range(first, first + 500):
            one.emit(episode(number))

    threads = [threading.Thread(target=work, args=(1000 * index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one.close()
    found = numbers(run_dir)

    assert sorted(found) == sorted(n for index in range(4) for n in range(1000 * index, 1000 * index + 500))
    assert verify(run_dir).ok


@pytest.fixture
def router(endpoints):
    """A socket in place of the aggregator's."""
    context = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    ipc_path(endpoints.ingest).parent.mkdir(parents=True)
    socket.bind(endpoints.ingest)
    yield socket
    context.destroy(linger=0)


def test_an_aggregator_of_another_version_is_reported(
    emitter, router, endpoints, episode, until, run_dir, monkeypatch
):
    """The report contains the refusal, the spool has everything, and `close` waits for no other answer."""
    monkeypatch.setattr("esper_bus.protocol.producer_link.HELLO_AFTER_S", 1_000.0)
    one = emitter(endpoints.ingest)
    one.emit(episode(0))
    peer, *_ = router.recv_multipart()
    router.send_multipart([peer, *encode(Error("version", "Install the same esper-lite on both."))])
    problem = until(lambda: one.stats.problem)
    started = time.monotonic()
    one.close(90.0)
    took = time.monotonic() - started

    assert problem == "Install the same esper-lite on both."
    assert took < 60.0
    assert numbers(run_dir) == [0]


def test_malformed_messages_from_an_aggregator_are_ignored(
    emitter, router, endpoints, episode, until, run_dir
):
    """They cause no errors, and the spool has everything."""
    one = emitter(endpoints.ingest)
    peer, *_ = router.recv_multipart()
    for junk in ([b""], [b"\x00" * 9], [b"R\x01", b"short"], [b"A\x01"], [b"Z\x07", b"x"] * 9):
        router.send_multipart([peer, *junk])
    for number in range(100):
        one.emit(episode(number))
    report = one.close(0.5)

    assert (report.spooled, report.errors) == (100, 0)
    assert numbers(run_dir) == list(range(100))


def test_the_writer_thread_survives_unexpected_exceptions(emitter, episode, run_dir, until, monkeypatch):
    """They are counted, and the thread tries again until all events are written."""
    one = emitter()
    good, calls = one._writer._spool.write, []

    def bad(batch, acknowledged):
        calls.append(batch)
        if len(calls) < 4:
            raise ValueError("nobody thought of this")
        good(batch, acknowledged)

    monkeypatch.setattr(one._writer._spool, "write", bad)
    for number in range(10):
        one.emit(episode(number))
        time.sleep(0.01)
    until(lambda: one.stats.spooled == 10)
    report = one.close()

    assert report.errors >= 3
    assert numbers(run_dir) == list(range(10))


@pytest.mark.slow
def test_a_problem_is_logged_once(emitter, episode, monkeypatch, until, caplog):
    """A full disk is logged once for many events, and once more when it is resolved."""
    one = emitter()

    def full(batch, acknowledged):
        raise OSError(28, "No space left on device")

    with caplog.at_level(logging.INFO, "esper"):
        monkeypatch.setattr(one._writer._spool, "write", full)
        for number in range(20):
            one.emit(episode(number))
            time.sleep(0.005)
        until(lambda: one.stats.problem)
        monkeypatch.undo()
        until(lambda: one.stats.spooled >= 20)

    assert [record.msg.event for record in caplog.records] == [
        "cannot write the spool; events are kept in memory",
        "resolved: cannot write the spool; events are kept in memory",
    ]
    assert one.stats.problem == ""


@pytest.mark.process
@pytest.mark.parametrize("state", ["alone", "waiting", "connected", "full disk"])
def test_an_idle_emitter_sleeps(emitter, aggregator, endpoints, episode, until, monkeypatch, state):
    """The thread makes fewer than 60 turns in 1.2 s, with and without an aggregator or disk space."""
    if state in ("connected", "full disk"):
        aggregator()
    one = emitter(None if state == "alone" else endpoints.ingest)
    if state == "full disk":

        def full(batch, acknowledged):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(one._writer._spool, "write", full)
    one.emit(episode(0))
    if state in ("connected", "full disk"):
        until(lambda: one.stats.acknowledged >= 1)
    time.sleep(0.2)
    turns, turn = [], one._writer._iterate
    monkeypatch.setattr(one._writer, "_iterate", lambda: turns.append(turn()))
    time.sleep(1.2)

    assert one._writer.is_alive()
    assert len(turns) < 60


def test_an_unexpected_failure_takes_no_room_for_ever(emitter, episode, monkeypatch, until):
    """Events that were written at a later attempt take no room in the queue."""
    one = emitter(max_events=50)
    good, calls = one._writer._spool.write, []

    def bad(batch, acknowledged):
        calls.append(batch)
        if len(calls) == 1:
            raise ValueError("nobody thought of this")
        good(batch, acknowledged)

    monkeypatch.setattr(one._writer._spool, "write", bad)
    for number in range(40):
        one.emit(episode(number))
    until(lambda: one._queue._count_limit - len(one._queue) == 50)
    for number in range(40):
        one.emit(episode(number))
    report = one.close()

    assert (report.errors, report.dropped, report.spooled) == (1, 0, 80)


@pytest.mark.parametrize("names", [("../run", "host:0"), ("run", "a/b"), ("", "host:0")])
def test_an_invalid_name_is_refused(tmp_path, names):
    """The error is raised before anything is written."""
    with pytest.raises(InvalidArgument, match="cannot name a"):
        Emitter(*names, tmp_path / "run")

    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_an_error(tmp_path):
    """The error is raised before the training begins, and says what to do."""
    (tmp_path / "run").touch()
    with pytest.raises(StorageError, match=r"Cannot write to .*; make it writable and free space, or choose"):
        Emitter("run", "host:0", tmp_path / "run")


def test_a_full_disk_at_the_start_is_an_error(tmp_path):
    """The error is raised before the training begins, and no file is left behind."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        with pytest.raises(StorageError, match="free space, or choose another runs directory"):
            Emitter("run", "host:0", tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert list((tmp_path / "run" / "spool").iterdir()) == []


def test_an_event_too_large_to_be_sent_is_counted(emitter, run_dir):
    """The spool contains only a report of the dropped event."""
    one = emitter()
    one.emit(LogRecorded(level="info", message="x" * (5 * 2**20)))
    report = one.close()

    assert report.dropped == 1
    assert [type(record.event) for record in read_records(run_dir)] == [EventsDropped]


def test_a_null_emitter_does_nothing():
    """It has the methods of an emitter, and its report is empty."""
    null = NullEmitter()
    null.emit(LogRecorded(level="info", message="x"))

    assert null.close() == null.stats == EmitterReport()
    assert encode_event(LogRecorded(level="info", message="x"))
