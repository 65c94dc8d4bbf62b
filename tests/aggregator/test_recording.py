"""A recording keeps log and state in step, and continues where its log ends."""

import os
import shutil
from pathlib import Path

import pytest

from esper_aggregator.recording import Recording, newest_first, newest_run
from esper_aggregator.replay import snapshot_of
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.run_reader import read_raw
from esper_schemas.codec import encode_event, encode_snapshot
from esper_schemas.events import PPOUpdateCompleted
from esper_schemas.payload import PPOUpdatePayload


@pytest.fixture
def raw_record():
    """Makes the nth update of one producer as it comes off the wire."""

    def make(seq, *, run="r"):
        event = PPOUpdateCompleted(update=seq + 1, payload=PPOUpdatePayload(policy_loss=seq / 10))
        return RawRecord(
            stream=StreamKey(run, "host:0", 5),
            seq=seq,
            emitted_ns=1_000 + seq,
            received_ns=2_000 + seq,
            data=encode_event(event),
        )

    return make


def test_the_snapshot_is_the_fold_of_the_log_at_every_position(tmp_path, raw_record):
    """Byte for byte, after each event."""
    recording = Recording(tmp_path / "r", 1)
    live = []
    for seq in range(12):
        recording.extend([raw_record(seq)])
        recording.flush()
        live.append(recording.snapshot())
    recording.close()

    assert live == [encode_snapshot(snapshot_of(tmp_path / "r", events=n)) for n in range(1, 13)]


def test_a_log_whose_beginning_was_deleted_gets_no_checkpoint(tmp_path, raw_record):
    """It would know what the log has no longer."""
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


def test_opening_a_recording_again_continues_it(tmp_path, raw_record):
    """A restarted aggregator knows what it has, expects what follows, and adds to it."""
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


def test_looking_at_a_run_writes_nothing(tmp_path, raw_record):
    """Opening a finished run in order to show it leaves its files alone."""
    recording = Recording(tmp_path / "r", 1)
    recording.extend([raw_record(0)])
    recording.close()
    before = sorted((tmp_path / "r").rglob("*"))
    Recording(tmp_path / "r", 2).close()

    assert sorted((tmp_path / "r").rglob("*")) == before


def test_the_newest_run_is_the_one_written_last(tmp_path, raw_record):
    """None in an empty directory; otherwise by the time of the log."""
    assert newest_run(tmp_path) is None
    for hour, run in enumerate(["b", "a"]):
        recording = Recording(tmp_path / run, 1)
        recording.extend([raw_record(0, run=run)])
        recording.close()
        for path in (tmp_path / run).rglob("*.mcap"):
            os.utime(path, (3_600 * hour, 3_600 * hour))

    assert newest_run(tmp_path).name == "a"


def test_runs_that_are_deleted_meanwhile_are_passed_over(tmp_path, monkeypatch):
    """A log listed a moment ago, and a whole run: neither raises."""
    for hour, name in enumerate(["old", "new"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (3_600 * hour, 3_600 * hour))
    listed = [tmp_path / name for name in ("old", "gone", "new")]

    assert [path.name for path in newest_first(listed)] == ["new", "old"]

    glob = Path.glob

    def stale(self, pattern):
        """What was there when the runs were listed; a deleted directory cannot be opened any more."""
        if self == tmp_path / "gone" / "log":
            raise FileNotFoundError(2, "No such file or directory")
        return iter([tmp_path / "gone" / "log"]) if self == tmp_path else glob(self, pattern)

    monkeypatch.setattr(Path, "glob", stale)

    assert newest_run(tmp_path) is None
