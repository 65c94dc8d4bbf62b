"""Checkpoints of the fold: a restart from one gives the same bytes as a fold of the whole log."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.aggregator.fold.validated import project

from esper_aggregator.fold import fold as production
from esper_aggregator.fold.state_codec import encode_state, fold_fingerprint
from esper_aggregator.fold_checkpoints import find_whole_checkpoint, restore
from esper_aggregator.past import checkpoint_file, history_fold
from esper_aggregator.past.checkpoint_file import CheckpointAppender, CheckpointReader, checkpoint_path
from esper_aggregator.recording import Recording
from esper_aggregator.replay import fold_at, fold_path
from esper_bus.records import RawRecord, StreamKey
from esper_schemas import events as e
from esper_schemas.codec import encode_event
from esper_schemas.declarations import RunThresholds
from esper_schemas.payload import PPOUpdatePayload

ROOT = Path(__file__).parents[2]
RECORDER = """
import os, signal, sys
from pathlib import Path
from esper_aggregator.past import history_fold
from esper_aggregator.past.checkpoint_file import CheckpointAppender
from esper_aggregator.recording import Recording
from tests.aggregator.test_fold_checkpoints import raw_records

run_dir, kill = Path(sys.argv[1]), sys.argv[2]
history_fold.SPACING_S, history_fold.MOST_EVENTS = float("inf"), 100

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def write_half(self, frame, write=CheckpointAppender.write):
    write(self, frame[: len(frame) // 2])
    die()

recording = Recording(run_dir, os.getpid())
for number, record in enumerate(raw_records(0, 900)):
    if number == 450 and kill == "before a checkpoint":
        CheckpointAppender.append = die
    if number == 450 and kill == "in the middle of a checkpoint":
        CheckpointAppender.write = write_half
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
def often(checkpoint_every):
    """Checkpoints each hundred events."""
    checkpoint_every(100)


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
    """The positions of the checkpoints of a run."""
    return [checkpoint.events for checkpoint in CheckpointReader(run_dir).refresh()]


def restored(run_dir):
    """The state after a restart, and the number of events that it folded."""
    fold, chunks, _, _ = restore(run_dir)
    begin = fold.state.events_folded
    for records in chunks:
        fold.extend(records)
    return encode_state(fold.state), fold.state.events_folded - begin


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
    states = [find_whole_checkpoint(tmp_path / "r", position)[0] for position in kept(tmp_path / "r")]

    assert [state.events_folded for state in states] == [100, 200, 300, 400, 500]
    assert [encode_state(state) for state in states] == [
        encode_state(fold_path(tmp_path / "r", events=state.events_folded)) for state in states
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
@pytest.mark.parametrize("kill", ["after a flush", "before a checkpoint", "in the middle of a checkpoint"])
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


@pytest.mark.parametrize("share", [0.2, 0.5, 0.999])
def test_a_truncated_checkpoint_is_skipped(tmp_path, often, share):
    """The previous one is used, and the next recording writes over it."""
    record(tmp_path / "r", 0, 450)
    path = checkpoint_path(tmp_path / "r")
    *_, before, last = CheckpointReader(tmp_path / "r").refresh()
    begin, end = before.offset + before.length, last.offset + last.length
    path.write_bytes(path.read_bytes()[: begin + int(share * (end - begin))])
    state, folded = restored(tmp_path / "r")

    assert (state, folded) == (whole(tmp_path / "r"), 50)

    record(tmp_path / "r", 450, 500, epoch=2)

    assert kept(tmp_path / "r") == [100, 200, 300, 400, 500]


def test_a_flipped_bit_is_detected(tmp_path, often):
    """The checkpoint is not used, for bits throughout the file."""
    record(tmp_path / "r", 0, 100)
    path = checkpoint_path(tmp_path / "r")
    data = path.read_bytes()
    for place in range(0, len(data), 97):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])

        assert find_whole_checkpoint(tmp_path / "r") is None


def test_a_checkpoint_of_another_fold_is_skipped(tmp_path, often, monkeypatch):
    """The state of another version's fold is not used."""
    record(tmp_path / "r", 0, 300)
    other = fold_fingerprint() + 1
    monkeypatch.setattr(checkpoint_file, "fold_fingerprint", lambda: other)

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

    assert find_whole_checkpoint(tmp_path / "r") is None
    assert restored(tmp_path / "r")[0] == whole(tmp_path / "r")


def test_a_checkpoint_is_due_when_folding_has_cost_enough(tmp_path, monkeypatch):
    """What counts is the processor time since the last one, however many events there were."""
    monkeypatch.setattr(history_fold, "SPACING_S", 1.0)
    now = [0.0]
    recording = record(tmp_path / "r", 0, 0, close=False)
    recording._history._clock = lambda: now[0]
    recording._history.extend = costs(recording._history.extend, now, 0.3)
    for one in raw_records(0, 10):
        recording.extend([one])
        recording.flush()

    assert kept(tmp_path / "r") == [4, 8]


def costs(extend, now, seconds):
    """The method, whose records take some time each."""

    def measured(records):
        extend(after(records, now, seconds))

    return measured


def after(records, now, seconds):
    """The records, each after some time."""
    for one in records:
        now[0] += seconds
        yield one


def test_a_checkpoint_on_a_full_disk_does_not_stop_a_recording(tmp_path, often, monkeypatch):
    """All events are logged although no checkpoint can be written, and none is left half-written."""
    original = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: original(fd, data[:50], at))
    record(tmp_path / "r", 0, 300)

    assert checkpoint_path(tmp_path / "r").stat().st_size == 0
    assert fold_path(tmp_path / "r").events_folded == 300


def test_a_disk_that_is_full_for_a_while_leaves_no_gap_between_checkpoints(tmp_path, often, monkeypatch):
    """The next one continues the last one that could be written."""
    recording = record(tmp_path / "r", 0, 150, close=False)
    with monkeypatch.context() as patch:
        patch.setattr(CheckpointAppender, "append", full)
        for one in raw_records(150, 250):
            recording.extend([one])
            recording.flush()
    for one in raw_records(250, 330):
        recording.extend([one])
        recording.flush()
    begins = [each.head.interval.begin for each in CheckpointReader(tmp_path / "r").refresh()]

    assert (begins, kept(tmp_path / "r")) == ([0, 100], [100, 300])


def full(*_):
    """A write to a full disk."""
    raise OSError(28, "No space left on device")


def test_a_fold_up_to_a_position_begins_at_a_checkpoint(tmp_path, often, monkeypatch):
    """The snapshot after any number of events equals that of a fold from the beginning."""
    record(tmp_path / "r", 0, 400)
    expected = {at: project(fold_path(tmp_path / "r", events=at)) for at in (0, 99, 100, 357, 400, None)}
    folded, original = [], production.fold
    monkeypatch.setattr(production, "fold", lambda state, one: folded.append(original(state, one)))
    snapshots = {at: project(fold_at(tmp_path / "r", at)) for at in expected}

    assert snapshots == expected
    assert len(folded) == 0 + 99 + 0 + 57 + 0 + 0


def test_checkpoints_of_a_longer_log_are_replaced(tmp_path, often):
    """After a crash of the machine, the log may end before them."""
    record(tmp_path / "r", 0, 190, close=False)
    (log,) = (tmp_path / "r" / "log").glob("*.mcap")
    shorter = log.read_bytes()
    record(tmp_path / "r", 190, 380, epoch=2)
    for path in (tmp_path / "r" / "log").glob("*.mcap"):
        path.unlink()
    log.write_bytes(shorter)
    record(tmp_path / "r", 190, 320, epoch=3)

    assert kept(tmp_path / "r") == [100, 200, 300, 320]
    assert restored(tmp_path / "r") == (whole(tmp_path / "r"), 0)


def test_a_log_that_was_damaged_since_has_no_checkpoint_behind_the_damage(tmp_path, often):
    """What is folded from a checkpoint is what is folded from the beginning."""
    record(tmp_path / "r", 0, 400)
    (log,) = (tmp_path / "r" / "log").glob("*.mcap")
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    state, _ = find_whole_checkpoint(tmp_path / "r")

    assert 100 <= state.events_folded < 400
    assert encode_state(fold_at(tmp_path / "r", None)) == whole(tmp_path / "r")


@pytest.mark.parametrize("what", ["a FIFO", "a link", "a directory"])
def test_what_is_not_a_file_is_no_checkpoint(tmp_path, often, what):
    """It is neither read nor written, and nothing waits for it."""
    path = checkpoint_path(tmp_path / "r")
    path.parent.mkdir(parents=True)
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    match what:
        case "a FIFO":
            os.mkfifo(path)
        case "a link":
            path.symlink_to(target)
        case _:
            path.mkdir()
    record(tmp_path / "r", 0, 300)

    assert kept(tmp_path / "r") == []
    assert target.read_bytes() == b"mine"
    assert fold_path(tmp_path / "r").events_folded == 300


def test_the_checkpoints_of_version_0_1_are_removed(tmp_path, often):
    """They had a file each."""
    record(tmp_path / "r", 0, 50)
    old = tmp_path / "r" / "log" / "000000000050.fold"
    old.write_bytes(b"esper fold 1\n")
    checkpoint_path(tmp_path / "r").unlink()
    record(tmp_path / "r", 50, 60, epoch=2)

    assert not old.exists()
    assert kept(tmp_path / "r") == [60]


def test_checkpoints_serve_a_reader_who_gives_the_same_thresholds(tmp_path, often):
    """Also one who may name the heads of the run; under other thresholds the run is judged anew."""
    same = RunThresholds("[kl_divergence]\nwarning_above = 0.1\n")
    recording = Recording(tmp_path / "r", 1, same)
    recording.extend(list(raw_records(0, 300)))
    recording.close()
    with_heads = RunThresholds(same.text, heads=("left", "right"))

    others = RunThresholds("[kl_divergence]\nwarning_above = 9.0\n")
    for given, found in ((same, True), (with_heads, True), (None, False), (others, False)):
        assert (find_whole_checkpoint(tmp_path / "r", given=given) is not None) is found
        assert encode_state(fold_at(tmp_path / "r", None, given)) == encode_state(
            fold_path(tmp_path / "r", given=given)
        )
