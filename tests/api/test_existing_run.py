"""A run is started once, and resumed where it ended."""

import time

import pytest

import esper_lite
from esper_bus.store.run_reader import read_records
from esper_lite import Damaged, PPOUpdateCompleted, PPOUpdatePayload, RunExists, RunStarted, StorageError


def test_an_existing_run_is_refused(connect, events):
    """Two trainings are not mixed by mistake."""
    connect().close()

    with pytest.raises(RunExists, match=r"resume=True"):
        connect()
    assert len(events()) == 2


def test_ranks_share_a_run(connect, runs_dir):
    """Each is a separate producer; a second process of the same rank is refused."""
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
    """The count of its updates continues."""
    with connect() as telemetry:
        telemetry.emit(PPOUpdatePayload())
    with connect(resume=True) as telemetry:
        assert telemetry.updates == 1
        telemetry.emit(PPOUpdatePayload())
    updates = [event.update for event in events() if isinstance(event, PPOUpdateCompleted)]

    assert updates == [1, 2]


def test_updates_are_counted_from_the_checkpoint_that_a_run_resumes_from(connect, events):
    """Updates after the checkpoint are repeated with the same numbers."""
    with connect() as telemetry:
        for _ in range(3):
            telemetry.emit(PPOUpdatePayload())
    with connect(resume=True, started=RunStarted(task="t", resumed_from=1)) as telemetry:
        assert telemetry.updates == 1
        telemetry.emit(PPOUpdatePayload())

    assert [event.update for event in events() if isinstance(event, PPOUpdateCompleted)] == [1, 2, 3, 2]


def test_resuming_a_missing_run_starts_it(connect, events):
    """The same command line can start and resume a run."""
    with connect(resume=True) as telemetry:
        telemetry.emit(PPOUpdatePayload())

    assert [event.update for event in events() if isinstance(event, PPOUpdateCompleted)] == [1]


@pytest.mark.parametrize("directory", ["spool", "log"])
def test_a_run_whose_directory_cannot_be_read_is_not_started_again(connect, runs_dir, directory):
    """Otherwise its updates would be counted from 1 again."""
    (runs_dir / "cartpole").mkdir(parents=True)
    (runs_dir / "cartpole" / directory).write_text("in the way")

    with pytest.raises(StorageError, match=f"Cannot list .*{directory}"):
        connect(resume=True)


def test_a_run_whose_file_cannot_be_read_is_not_started_again(connect, runs_dir):
    """It is resumed if `resumed_from` contains the last update."""
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


def test_a_run_without_an_intact_file_is_not_started_again(connect, runs_dir):
    """The number of its last update is unknown."""
    with connect() as telemetry:
        telemetry.emit(PPOUpdatePayload())
    (spool,) = recorded_files(runs_dir)
    spool.write_bytes(bytes(spool.stat().st_size))

    with pytest.raises(Damaged, match=r"not an MCAP file.*; move it elsewhere, or pass RunStarted"):
        connect(resume=True)


def test_updates_after_a_damaged_place_count(connect, runs_dir):
    """They were recorded, and their numbers are not used again."""
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


def test_a_first_write_that_did_not_finish_contains_no_update(connect, runs_dir):
    """The run can be resumed if the machine failed during its first write."""
    connect().close()
    (spool,) = recorded_files(runs_dir)
    spool.write_bytes(spool.read_bytes()[:20])

    with connect(resume=True) as telemetry:
        assert telemetry.updates == 0


@pytest.mark.parametrize("resume", [False, True])
def test_a_process_is_named_after_its_rank(connect, runs_dir, resume):
    """The name is the same on every host, so that a run can be resumed elsewhere with the same key."""
    connect(rank=1, world_size=2, resume=resume).close()

    assert {record.producer for record in read_records(runs_dir / "cartpole")} == {"trainer:1"}


def test_a_run_of_version_0_1_0_is_resumed_with_the_old_name_of_its_rank(connect, runs_dir):
    """The old name contains the host; a new name would make a second producer of the same rank."""
    for rank in range(2):
        connect(rank=rank, world_size=2, producer=f"box:{rank}").close()
    connect(rank=1, world_size=2, resume=True).close()
    epochs = {(record.producer, record.epoch) for record in read_records(runs_dir / "cartpole")}

    assert sorted(producer for producer, _ in epochs) == ["box:0", "box:1", "box:1"]


def test_a_directory_whose_name_is_too_long_is_an_error(tmp_path):
    """The error contains the reason."""
    with pytest.raises(StorageError, match=r"^Cannot .*File name too long"):
        esper_lite.connect("r", runs_dir=tmp_path / ("x" * 300))
