"""A run is begun once, and resumed where it ended."""

import time

import pytest

import esper_lite
from esper_bus.store.run_reader import read_records
from esper_lite import Damaged, PPOUpdateCompleted, PPOUpdatePayload, RunExists, RunStarted, StorageError


def test_an_existing_run_is_refused(connect, events):
    """Two trainings are never mixed by mistake."""
    connect().close()

    with pytest.raises(RunExists, match=r"resume=True"):
        connect()
    assert len(events()) == 2


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


def test_resuming_what_does_not_exist_begins_it(connect, events):
    """The same command line can start and resume."""
    with connect(resume=True) as telemetry:
        telemetry.emit(PPOUpdatePayload())

    assert [event.update for event in events() if isinstance(event, PPOUpdateCompleted)] == [1]


@pytest.mark.parametrize("directory", ["spool", "log"])
def test_a_run_whose_directory_cannot_be_read_is_not_begun_anew(connect, runs_dir, directory):
    """Its updates would be counted from 1 again."""
    (runs_dir / "cartpole").mkdir(parents=True)
    (runs_dir / "cartpole" / directory).write_text("in the way")

    with pytest.raises(StorageError, match=f"Cannot list .*{directory}"):
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


def recorded_files(runs_dir):
    """The files of the run, the log first."""
    return [
        *(runs_dir / "cartpole" / "log").glob("*.mcap"),
        *(runs_dir / "cartpole" / "spool").glob("*.mcap"),
    ]


def test_a_run_without_an_intact_file_is_not_begun_anew(connect, runs_dir):
    """The numbers of its updates are unknown."""
    with connect() as telemetry:
        telemetry.emit(PPOUpdatePayload())
    (spool,) = recorded_files(runs_dir)
    spool.write_bytes(bytes(spool.stat().st_size))

    with pytest.raises(Damaged, match=r"not an MCAP file.*; move it elsewhere, or pass RunStarted"):
        connect(resume=True)


def test_updates_after_a_damaged_place_count(connect, runs_dir):
    """They were recorded, and would be numbered again."""
    with connect() as telemetry:
        for _ in range(200):
            telemetry.emit(PPOUpdatePayload())
            time.sleep(0.002)
    (spool,) = recorded_files(runs_dir)
    data = bytearray(spool.read_bytes())
    data[len(data) // 2] ^= 1
    spool.write_bytes(data)

    with connect(resume=True) as telemetry:
        assert telemetry.updates == 200


def test_a_first_write_that_did_not_finish_held_nothing(connect, runs_dir):
    """A machine that failed at that moment can be started again."""
    connect().close()
    (spool,) = recorded_files(runs_dir)
    spool.write_bytes(spool.read_bytes()[:20])

    with connect(resume=True) as telemetry:
        assert telemetry.updates == 0


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


def test_a_directory_whose_name_is_too_long_is_a_sentence(tmp_path):
    """Before anything is made."""
    with pytest.raises(StorageError, match=r"^Cannot .*File name too long"):
        esper_lite.connect("r", runs_dir=tmp_path / ("x" * 300))
