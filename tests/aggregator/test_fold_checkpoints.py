"""Checkpoints of the fold: a restart from one gives the same bytes as a fold of the whole log."""

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from tests.aggregator.fold.validated import fold, project

from esper_aggregator import fold_checkpoints
from esper_aggregator.fold import fold as production
from esper_aggregator.fold.state_codec import encode_state, fold_fingerprint
from esper_aggregator.fold_checkpoints import find_checkpoint, restore, superseded
from esper_aggregator.recording import Recording
from esper_aggregator.replay import fold_at, fold_path
from esper_bus.records import RawRecord, StreamKey
from esper_schemas import events as e
from esper_schemas.codec import encode_event
from esper_schemas.payload import PPOUpdatePayload

ROOT = Path(__file__).parents[2]
RECORDER = """
import os, signal, sys
from pathlib import Path
from esper_aggregator import fold_checkpoints
from esper_aggregator.recording import Recording
from tests.aggregator.test_fold_checkpoints import raw_records

run_dir, kill = Path(sys.argv[1]), sys.argv[2]
fold_checkpoints.EVERY_EVENTS = 100

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def write_half(path, data):
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])
    die()

recording = Recording(run_dir, os.getpid())
for number, record in enumerate(raw_records(0, 900)):
    if number == 450 and kill == "before the rename":
        Path.replace = die
    if number == 450 and kill == "in the middle of the write":
        Path.write_bytes = write_half
    recording.extend([record])
    if number % 10 == 0:
        recording.flush()
recording.flush()
die()
"""


def raw_records(first, end):
    """Events `first`..`end`-1 of a run of two producers, of the kinds that change the state."""
    for number in range(first, end):
        thirds = number // 3
        stream, seq = (("host:0", 5), number - thirds - 1) if number % 3 else (("host:1", 1 << 63), thirds)
        payload = PPOUpdatePayload(
            policy_loss=number / 7,
            kl_divergence=0.5 if number % 50 < 9 else 0.001,
            head_op_entropy=float("nan") if number == 77 else 0.3,
        )
        kinds = (
            e.PPOUpdateCompleted(update=number + 1, payload=payload),
            e.RolloutCompleted(
                update=number + 1,
                env_steps=1,
                env_steps_total=number,
                steps_per_second=1.0,
                duration_ms=1.0,
                mean_return=number / 3,
            ),
            e.EpisodeCompleted(environment=0, episode=number, episode_return=0.5, length=9),
            e.LogRecorded(level="warning", message=f"line {number}", fields={"at": number}),
            e.AnomalyDetected(update=number, anomaly=f"kind {number % 5}", severity="warning"),
            e.RunStarted(task="digits", config={"seed": number}),
            e.EventsDropped(count=1, first_ns=1, last_ns=2, by_kind={"LogRecorded": 1}),
        )
        event = kinds[number % len(kinds)]
        yield RawRecord(StreamKey("r", *stream), seq, 10**18 + number, 10**18 + number, encode_event(event))


@pytest.fixture
def often(monkeypatch):
    """Checkpoints each hundred events."""
    monkeypatch.setattr(fold_checkpoints, "EVERY_EVENTS", 100)


def record(run_dir, first, end, epoch=1, *, close=True):
    """Record events as an aggregator does; without `close`, as if it had been killed."""
    recording = Recording(run_dir, epoch)
    for number, one in enumerate(raw_records(first, end)):
        recording.extend([one])
        if number % 10 == 9:
            recording.flush()
    recording.flush()
    if close:
        recording.close()
    return recording


def kept(run_dir):
    """The checkpoints of a run, oldest first."""
    return sorted((run_dir / "log").glob("*.fold"))


def restored(run_dir):
    """The state after a restart, and the number of events that it folded."""
    state, not_folded = restore(run_dir)
    records = list(not_folded)
    for one in records:
        fold(state, one.decoded())
    return encode_state(state), len(records)


def whole(run_dir):
    """The state of the whole log."""
    return encode_state(fold_path(run_dir))


def test_a_checkpoint_and_the_later_events_are_the_fold_of_the_log(tmp_path, often):
    """Only the events after the last checkpoint are read."""
    record(tmp_path / "r", 0, 777, close=False)
    state, folded = restored(tmp_path / "r")

    assert state == whole(tmp_path / "r")
    assert folded < 100


def test_every_checkpoint_is_the_fold_of_the_events_before_it(tmp_path, often):
    """Each of the five is compared, not only the last one."""
    record(tmp_path / "r", 0, 500)
    found = [
        (int(path.stem), find_checkpoint(tmp_path / "r", int(path.stem))) for path in kept(tmp_path / "r")
    ]

    assert [position for position, _ in found] == [100, 200, 300, 400, 500]
    assert [encode_state(state) for _, (state, _) in found] == [
        encode_state(fold_path(tmp_path / "r", events=position)) for position, _ in found
    ]


@pytest.mark.slow
def test_a_log_in_several_files_is_continued(tmp_path, often, monkeypatch):
    """Each start of an aggregator writes its own files, and continues in a new one when one is full."""
    monkeypatch.setattr("esper_bus.store.log_writer.LOG_FILE_BYTES", 4000)
    for start in range(4):
        record(tmp_path / "r", 130 * start, 130 * (start + 1), epoch=9 - start, close=start % 2 == 0)
    state, folded = restored(tmp_path / "r")

    assert len(list((tmp_path / "r" / "log").glob("*.mcap"))) > 8
    assert state == whole(tmp_path / "r")
    assert folded < 100


@pytest.mark.process
@pytest.mark.parametrize("kill", ["after a flush", "before the rename", "in the middle of the write"])
def test_a_killed_aggregator_resumes_where_its_log_ends(tmp_path, often, kill):
    """After SIGKILL of a process, also while it writes a checkpoint, the next recording continues."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, "-c", RECORDER, str(tmp_path / "r"), kill]
    killed = subprocess.run(command, env=environment, check=False)

    assert killed.returncode == -signal.SIGKILL

    position = fold_path(tmp_path / "r").events_folded
    state, folded = restored(tmp_path / "r")

    assert state == whole(tmp_path / "r")
    assert folded <= position - 100

    record(tmp_path / "r", position, 1200, epoch=2)

    assert fold_path(tmp_path / "r").events_folded == 1200
    assert restored(tmp_path / "r") == (whole(tmp_path / "r"), 0)
    assert list((tmp_path / "r" / "log").glob("*.part")) == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_truncated_checkpoint_is_skipped(tmp_path, often, share):
    """The previous one is used."""
    record(tmp_path / "r", 0, 450)
    newest = kept(tmp_path / "r")[-1]
    newest.write_bytes(newest.read_bytes()[: int(share * newest.stat().st_size)])
    state, folded = restored(tmp_path / "r")

    assert state == whole(tmp_path / "r")
    assert folded == 50


def test_a_flipped_bit_is_detected(tmp_path, often):
    """The checkpoint is not used, for bits throughout the file."""
    record(tmp_path / "r", 0, 100)
    (path,) = kept(tmp_path / "r")
    data = path.read_bytes()
    for place in range(0, len(data), 97):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])

        assert find_checkpoint(tmp_path / "r") is None


def test_a_checkpoint_of_another_fold_is_skipped(tmp_path, often, monkeypatch):
    """The state of another version's fold is not used."""
    record(tmp_path / "r", 0, 300)
    other = fold_fingerprint() + 1
    monkeypatch.setattr(fold_checkpoints, "fold_fingerprint", lambda: other)

    assert restored(tmp_path / "r") == (whole(tmp_path / "r"), 300)


def _first_file_goes(log):
    min(log.glob("*.mcap"), key=lambda path: path.stat().st_mtime_ns).unlink()


def _other_bytes(log):
    for path in log.glob("*.mcap"):
        data = path.read_bytes()
        path.write_bytes(data[:-60] + bytes(60))


def _last_file_is_cut(log):
    path = max(log.glob("*.mcap"), key=lambda path: path.stat().st_mtime_ns)
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize("change", [_first_file_goes, _other_bytes, _last_file_is_cut])
def test_a_checkpoint_of_another_log_is_skipped(tmp_path, change):
    """A log that was changed by hand is folded from its beginning."""
    record(tmp_path / "r", 0, 150)
    record(tmp_path / "r", 150, 300, epoch=2)
    change(tmp_path / "r" / "log")

    assert find_checkpoint(tmp_path / "r") is None
    assert restored(tmp_path / "r")[0] == whole(tmp_path / "r")


def test_a_checkpoint_is_due_after_a_while(tmp_path):
    """It is written after 30 s if there are new events, and not again without any."""
    now = [0.0]
    writer = fold_checkpoints.FoldCheckpointWriter(tmp_path / "r", 0, clock=lambda: now[0])
    recording = record(tmp_path / "r", 0, 20, close=False)
    saved = []
    for now[0] in (29.0, 30.0, 31.0, 90.0):
        writer.save_if_due(recording._state, recording._log.end)
        saved.append(len(kept(tmp_path / "r")))

    assert saved == [0, 1, 1, 1]


def test_a_checkpoint_on_a_full_disk_does_not_stop_a_recording(tmp_path, often, monkeypatch):
    """All events are logged although no checkpoint can be written."""

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    record(tmp_path / "r", 0, 300)

    assert kept(tmp_path / "r") == []
    assert fold_path(tmp_path / "r").events_folded == 300


def test_a_fold_up_to_a_position_begins_at_a_checkpoint(tmp_path, often, monkeypatch):
    """The snapshot after any number of events equals that of a fold from the beginning."""
    record(tmp_path / "r", 0, 400)
    expected = {at: project(fold_path(tmp_path / "r", events=at)) for at in (0, 99, 100, 357, 400, 999)}
    folded, original = [], production.fold
    monkeypatch.setattr(production, "fold", lambda state, one: folded.append(original(state, one)))
    snapshots = {at: project(fold_at(tmp_path / "r", at)) for at in expected}

    assert snapshots == expected
    assert len(folded) == 0 + 99 + 0 + 57 + 0 + 0


def test_most_old_checkpoints_are_removed():
    """Of 999, the newest and at most 33 older ones are kept, evenly spread."""
    positions = []
    for newest in range(20_000, 20_000_000, 20_000):
        positions.append(newest)
        positions = sorted(set(positions) - set(superseded(positions, newest)))
    gaps = [after - before for before, after in pairwise(positions)]

    assert positions[-1] == 19_980_000
    assert 16 <= len(positions) <= 34
    assert max(gaps) <= 3 * 19_980_000 // 32


def test_checkpoints_of_a_longer_log_are_removed():
    """They cannot belong to this log."""
    assert superseded([10, 60_000, 500_000], 60_000) == [10, 500_000]
