"""A recording keeps log and state synchronized, and continues where its log ends."""

import os
import shutil

import pytest

from esper_aggregator.fold.projection import project
from esper_aggregator.recording import Recording
from esper_aggregator.replay import fold_at, snapshot_of
from esper_bus.protocol.receiver import LinkCounters
from esper_bus.records import StreamKey
from esper_bus.store.run_reader import read_raw
from esper_schemas.codec import decode_snapshot, encode_snapshot
from esper_schemas.declarations import RunThresholds
from esper_schemas.errors import StorageError


def test_the_snapshot_is_the_fold_of_the_log_at_every_position(tmp_path, raw_record):
    """The bytes are compared after each event."""
    recording = Recording(tmp_path / "r", 1)
    live = []
    for seq in range(12):
        recording.extend([raw_record(seq)])
        recording.flush()
        live.append(recording.snapshot())
    recording.close()

    assert live == [encode_snapshot(snapshot_of(tmp_path / "r", events=n)) for n in range(1, 13)]


def test_a_log_whose_beginning_was_deleted_gets_no_checkpoint(tmp_path, raw_record):
    """It would contain events that the log no longer has."""
    recording = Recording(tmp_path / "r", 1)
    recording.extend([raw_record(0)])
    recording.flush()
    shutil.rmtree(tmp_path / "r")
    recording.extend([raw_record(1)])
    recording.flush()
    recording.close()
    (file,) = (tmp_path / "r" / "log").iterdir()

    assert file.suffix == ".mcap"
    assert [record.seq for record in read_raw(file)] == [1]
    assert recording.position == 2


@pytest.fixture
def recorded(tmp_path, raw_record):
    """The directory of a run with a log of one file and no checkpoint."""
    recording = Recording(tmp_path / "r", 1)
    recording.extend([raw_record(0)])
    recording.flush()
    return tmp_path / "r"


def test_a_log_that_cannot_be_opened_is_not_treated_as_empty(recorded):
    """Otherwise its numbers would begin at 0 again, and everything would be logged twice."""
    (file,) = (recorded / "log").glob("*.mcap")
    file.unlink()
    file.mkdir()

    with pytest.raises(StorageError, match=rf"Cannot read the log of .*/r \(Is a directory: {file}\)"):
        Recording(recorded, 2)


def test_a_log_that_cannot_be_listed_is_not_treated_as_empty(recorded):
    """The error contains the reason."""
    shutil.rmtree(recorded / "log")
    (recorded / "log").write_text("in the way")

    with pytest.raises(StorageError, match=r"Cannot read the log of .*/r \(Not a directory"):
        Recording(recorded, 2)


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a file that cannot be read")  # noqa: PTH110
def test_a_log_that_ends_with_a_read_error_is_not_continued(recorded):
    """The file can be opened, but not be read."""
    (recorded / "log" / "0.mcap").symlink_to("/proc/self/mem")

    with pytest.raises(StorageError, match=r"0\.mcap is unreadable \(Input/output error\); make it readable"):
        Recording(recorded, 2)


def test_opening_a_recording_again_continues_it(tmp_path, raw_record):
    """A restarted aggregator has the position and the next numbers of the log, and appends to it."""
    first = Recording(tmp_path / "r", 1)
    for seq in range(3):
        first.extend([raw_record(seq)])
    first.flush()  # and killed: never closed
    second = Recording(tmp_path / "r", 2)

    assert second.position == 3
    assert second.next_seqs == {StreamKey("r", "host:0", 5): 3}

    second.extend([raw_record(3)])
    second.close()

    assert snapshot_of(tmp_path / "r").tamiyo.ppo_updates_count == 4


def test_opening_a_run_writes_nothing(tmp_path, raw_record):
    """Opening a finished run to show it does not change its files."""
    recording = Recording(tmp_path / "r", 1)
    recording.extend([raw_record(0)])
    recording.close()
    before = sorted((tmp_path / "r").rglob("*"))
    Recording(tmp_path / "r", 2).close()

    assert sorted((tmp_path / "r").rglob("*")) == before


def test_the_counters_of_the_link_are_part_of_the_snapshot(tmp_path, raw_record):
    """They are added to those of the log: 1 + 2 duplicates; gaps are in the log, and not counted twice."""
    recording = Recording(tmp_path / "r", 1)
    recording.extend([raw_record(0), raw_record(0), raw_record(3)])
    recording.flush()
    recording.snapshot()
    counters = LinkCounters(gaps=2, duplicates=2, rejected=4, refused=5, duplicate_producers=("host:0",))

    recording.update_link(counters)

    assert recording.changed
    link = decode_snapshot(recording.snapshot()).link
    assert (link.gaps, link.duplicates, link.rejected) == (2, 3, 4)
    assert (link.duplicate_producers, link.refused) == (1, 5)
    recording.update_link(counters)
    assert not recording.changed
    recording.close()


def test_a_duplicate_producer_is_logged_once(tmp_path, raw_record, caplog):
    """It is logged when it appears, not with every update of the counters."""
    recording = Recording(tmp_path / "r", 1)
    for duplicates in (0, 1, 2):
        recording.update_link(LinkCounters(duplicates=duplicates, duplicate_producers=("host:0",)))
    recording.close()

    messages = [record.getMessage() for record in caplog.records]
    assert sum("same producer name" in message for message in messages) == 1


def test_flushed_records_are_taken_once(tmp_path, raw_record):
    """`take_flushed` returns the records with the position of the first one."""
    recording = Recording(tmp_path / "r", 1)
    records = [raw_record(seq) for seq in range(3)]
    recording.extend(records[:2])
    recording.flush()
    first = recording.take_flushed()
    recording.extend(records[2:])
    recording.flush()

    assert (first, recording.take_flushed()) == ((0, records[:2]), (2, records[2:]))
    assert recording.take_flushed() == (3, [])
    recording.close()


def test_a_checkpoint_of_other_thresholds_is_passed_over(tmp_path, raw_record):
    """An aggregator with thresholds for all runs evaluates a log anew, and so does one without them."""
    wider = RunThresholds("[kl_divergence]\nwarning_above = 0.5\ncritical_above = 1.0\n")
    symptoms = []
    for epoch, given in enumerate((None, wider, wider, None)):
        recording = Recording(tmp_path / "r", epoch, given)
        recording.extend([raw_record(recording.position, kl_divergence=0.4)])
        symptoms.append([s.name for s in decode_snapshot(recording.snapshot()).symptoms])
        recording.close()

    assert symptoms[1] == symptoms[2] == []
    assert symptoms[0] == symptoms[3] != []
    assert encode_snapshot(snapshot_of(tmp_path / "r")) == encode_snapshot(
        project(fold_at(tmp_path / "r", 4))
    )
