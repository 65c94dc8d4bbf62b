"""Recording a program that knows nothing of the trainer, with real files and processes."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import esper_lite
from esper_bus.store.run_reader import read_log, read_records
from esper_schemas.errors import InvalidArgument, RunExists, StorageError
from esper_schemas.events import PPOUpdateCompleted, RunFinished, RunStarted
from esper_schemas.payload import PPOUpdatePayload

ROOT = Path(__file__).parents[2]


@pytest.fixture
def connect(runs_dir):
    """Connects to a run without an aggregator."""

    def start(run="cartpole", **options):
        return esper_lite.connect(run, **{"runs_dir": runs_dir, "aggregator": False, **options})

    return start


@pytest.fixture
def events(runs_dir):
    """What a run holds."""

    def read(run="cartpole"):
        return [record.event for record in read_records(runs_dir / run)]

    return read


def test_a_payload_is_the_next_update(connect, events):
    """A program emits measurements alone; begin, numbers and end are taken care of."""
    with connect() as telemetry:
        telemetry.emit(PPOUpdatePayload(policy_loss=0.25))
        telemetry.emit(PPOUpdatePayload(policy_loss=0.5))
    started, first, second, finished = events()

    assert (started.task, started.rank, started.world_size) == ("cartpole", 0, 1)
    assert started.pid == os.getpid()
    assert first == PPOUpdateCompleted(update=1, payload=PPOUpdatePayload(policy_loss=0.25))
    assert second == PPOUpdateCompleted(update=2, payload=PPOUpdatePayload(policy_loss=0.5))
    assert finished == RunFinished(outcome="completed", updates=2)


def test_an_event_is_taken_as_it_is(connect, events, episode):
    """An update with a number of its own sets the count; a RunFinished of its own is the only one."""
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
def test_an_exception_is_how_the_run_ended(connect, events, error, outcome, reason):
    """It passes through, and the run says that it happened."""

    def train():
        with connect() as telemetry:
            telemetry.emit(PPOUpdatePayload())
            raise error

    with pytest.raises(type(error)):
        train()
    assert events()[-1] == RunFinished(outcome=outcome, updates=1, reason=reason)


def test_an_existing_run_is_refused(connect, events):
    """Two trainings are never mixed by mistake."""
    connect().close()

    with pytest.raises(RunExists, match=r"resume=True"):
        connect()
    assert len(events()) == 2


def test_a_run_can_be_resumed(connect, events):
    """Its updates are counted further, also those of a program that was killed."""
    with connect() as telemetry:
        telemetry.emit(PPOUpdatePayload())
    with connect(resume=True) as telemetry:
        assert telemetry.updates == 1
        telemetry.emit(PPOUpdatePayload())
    updates = [event.update for event in events() if isinstance(event, PPOUpdateCompleted)]

    assert updates == [1, 2]


def test_updates_are_counted_from_the_checkpoint_that_a_run_resumes_from(connect, events):
    """What was recorded after the checkpoint is made again, under the same numbers."""
    with connect() as telemetry:
        for _ in range(3):
            telemetry.emit(PPOUpdatePayload())
    with connect(resume=True, started=RunStarted(task="t", resumed_from=1)) as telemetry:
        assert telemetry.updates == 1
        telemetry.emit(PPOUpdatePayload())

    assert [event.update for event in events() if isinstance(event, PPOUpdateCompleted)] == [1, 2, 3, 2]


@pytest.mark.parametrize("resume", [False, True])
def test_a_process_is_named_after_its_rank(connect, runs_dir, resume):
    """So that a run is resumed under the same name on another host, and a key fits on every host."""
    connect(rank=1, world_size=2, resume=resume).close()

    assert {record.producer for record in read_records(runs_dir / "cartpole")} == {"trainer:1"}


def test_a_run_of_version_0_1_0_goes_on_under_the_name_that_its_rank_has(connect, runs_dir):
    """Which was made of the host; under another one it would be a second process of the same rank."""
    for rank in range(2):
        connect(rank=rank, world_size=2, producer=f"box:{rank}").close()
    connect(rank=1, world_size=2, resume=True).close()
    epochs = {(record.producer, record.epoch) for record in read_records(runs_dir / "cartpole")}

    assert sorted(producer for producer, _ in epochs) == ["box:0", "box:1", "box:1"]


def test_threads_never_give_two_updates_the_same_number(connect, events):
    """Each payload is the next update, whichever thread emits it."""
    barrier, interval = threading.Barrier(8), sys.getswitchinterval()

    def emit(telemetry):
        barrier.wait()
        for _ in range(2000):
            telemetry.emit(PPOUpdatePayload())

    sys.setswitchinterval(1e-6)  # threads take turns everywhere, not each 5 ms
    try:
        with connect() as telemetry, ThreadPoolExecutor(8) as threads:
            list(threads.map(emit, [telemetry] * 8))
    finally:
        sys.setswitchinterval(interval)
    updates = [event.update for event in events() if isinstance(event, PPOUpdateCompleted)]

    assert updates == list(range(1, 16_001))


@pytest.mark.parametrize("directory", ["spool", "log"])
def test_a_run_whose_directory_cannot_be_read_is_not_begun_anew(connect, runs_dir, directory):
    """Its updates would be counted from 1 again."""
    (runs_dir / "cartpole").mkdir(parents=True)
    (runs_dir / "cartpole" / directory).write_text("in the way")

    with pytest.raises(StorageError, match=f"Cannot look into .*{directory}"):
        connect(resume=True)


def test_a_run_whose_file_cannot_be_read_is_not_begun_anew(connect, runs_dir):
    """It goes on if it is told after which update."""
    connect().close()
    (spool,) = (runs_dir / "cartpole" / "spool").glob("*.mcap")
    spool.unlink()
    spool.mkdir()

    with pytest.raises(StorageError, match="so the last update of the run is not known; make it readable"):
        connect(resume=True)
    with connect(resume=True, started=RunStarted(task="t", resumed_from=7)) as telemetry:
        assert telemetry.updates == 7


def test_resuming_what_does_not_exist_begins_it(connect, events):
    """The same command line can start and resume."""
    with connect(resume=True) as telemetry:
        telemetry.emit(PPOUpdatePayload())

    assert [event.update for event in events() if isinstance(event, PPOUpdateCompleted)] == [1]


def test_ranks_share_a_run(connect, runs_dir):
    """Each is a producer of its own; a second process of one rank is refused."""
    ranks = [connect(rank=rank, world_size=2) for rank in range(2)]
    for telemetry in ranks:
        telemetry.emit(PPOUpdatePayload())
    with pytest.raises(RunExists, match="There is a run cartpole"):
        connect(rank=1, world_size=2)
    for telemetry in ranks:
        telemetry.close()
    records = list(read_records(runs_dir / "cartpole"))
    started = [record.event for record in records if isinstance(record.event, RunStarted)]

    assert {record.producer.rpartition(":")[2] for record in records} == {"0", "1"}
    assert sorted((event.rank, event.world_size) for event in started) == [(0, 2), (1, 2)]


@pytest.mark.parametrize(
    "options",
    [
        {"run": "../x"},
        {"producer": "a b"},
        {"aggregator": "carrier-pigeon"},
        *({"spool_quota": quota} for quota in (10, 0, -(2**30), 2**24 - 1, 1e9, True, "15M", "much", "")),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_nothing(connect, runs_dir, options):
    """A bad name, address or size is said before anything is made."""
    with pytest.raises(InvalidArgument):
        connect(**options)

    assert not runs_dir.exists()


@pytest.mark.parametrize("quota", [2**24, "16M"])
def test_a_spool_quota_is_a_number_or_a_text(connect, quota):
    """Each means what it means in the environment and on the command line."""
    telemetry = connect(spool_quota=quota)

    assert telemetry._emitter._spool._quota == 2**24


def test_a_spool_quota_that_is_no_size_is_named(connect):
    """With what was given, and what would do."""
    with pytest.raises(
        InvalidArgument, match=r"^spool_quota must be a size of at least 16 MiB, such as 500M or 4G, not '10'"
    ):
        connect(spool_quota=10)


def test_disabled_telemetry_costs_nothing(connect, runs_dir):
    """No file, no thread; payloads are counted all the same."""
    threads = threading.active_count()
    with connect(enabled=False, aggregator=True) as telemetry:
        telemetry.emit(PPOUpdatePayload())

        assert not telemetry.enabled
        assert telemetry.updates == 1
        assert threading.active_count() == threads
    assert not runs_dir.exists()


def test_a_run_is_recorded_without_an_aggregator_if_none_can_be_started(connect, events, runs_dir, caplog):
    """The reason is logged, nothing is printed."""
    (runs_dir / "aggregator.log").mkdir(parents=True)
    with connect(aggregator=True) as telemetry:
        telemetry.emit(PPOUpdatePayload())
    (line,) = [record for record in caplog.records if record.levelname == "WARNING"]

    assert line.name == "esper.lite"
    assert "recording without an aggregator" in line.getMessage()
    assert "Is a directory" in line.getMessage()
    assert len(events()) == 3


def test_a_url_is_where_events_go(connect, aggregator, endpoints, runs_dir):
    """An aggregator that listens has all events when the program has ended."""
    aggregator()
    with connect(aggregator=endpoints.ingest.removesuffix("/ingest")) as telemetry:
        telemetry.emit(PPOUpdatePayload())

    assert len(list(read_log(runs_dir / "cartpole"))) == 3


@pytest.fixture
def program(runs_dir):
    """Runs a program that is no part of this project, in a process of its own."""
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


@pytest.mark.parametrize(
    "ending", ["sys.exit(3)", "raise RuntimeError", "os.kill(os.getpid(), signal.SIGINT)"]
)
def test_however_a_program_ends_its_queue_is_written(program, runs_dir, ending):
    """Leaving the block with a full queue writes all of it, and how it ended."""
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


def test_a_key_counts_for_tcp_only(connect, tmp_path):
    """What is named beside an address over ipc is not looked at; over tcp a directory is one sentence."""
    (tmp_path / "keys").mkdir()
    connect("r", aggregator="ipc:///tmp/nobody", keys=tmp_path / "keys").close(timeout=0)
    with pytest.raises(InvalidArgument, match="is a directory; name the key file of one client"):
        connect("s", aggregator="tcp://127.0.0.1:5556", keys=tmp_path / "keys")


def test_a_directory_whose_name_is_too_long_is_a_sentence(tmp_path):
    """Before anything is made."""
    with pytest.raises(StorageError, match=r"^Cannot .*File name too long"):
        esper_lite.connect("r", runs_dir=tmp_path / ("x" * 300))
