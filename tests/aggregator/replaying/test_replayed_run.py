"""A recorded run is folded as its events fall due, and followed after its end."""

from contextlib import closing

import pytest

from esper_aggregator.fold.projection import project
from esper_aggregator.recording import Recording
from esper_aggregator.replay import fold_path
from esper_aggregator.replaying.recorded_clock import RecordedClock
from esper_aggregator.replaying.replayed_run import ReplayedRun
from esper_schemas.codec import encode_snapshot
from esper_schemas.errors import EsperError

S = 10**9


@pytest.fixture
def recording(tmp_path, raw_record):
    """A run of ten updates, which were received a second apart; it may grow."""
    recording = Recording(tmp_path / "r", 1)
    recording.extend([timed(raw_record, seq) for seq in range(10)])
    recording.flush()
    yield recording
    recording.close()


def timed(raw_record, seq):
    """An update that was received `seq` seconds after the first one."""
    record = raw_record(seq)
    return type(record)(record.stream, seq, seq * S, seq * S, record.data)


def advance(run, until):
    """Let a replay that began at 100 s come to a time, in steps like those of a service."""
    for step in range(round((until - 100.0) * 20) + 1):
        run.advance(100.0 + step / 20, float("inf"))


def expected(run_dir, events):
    """The bytes of the snapshot after the first events of a run."""
    return encode_snapshot(project(fold_path(run_dir, events=events)))


def test_events_are_folded_when_they_are_due(recording, tmp_path):
    """Each snapshot has the bytes of the fold of the same events."""
    run = ReplayedRun(tmp_path / "r", RecordedClock(2.0))

    for now, position in ((100.0, 1), (100.4, 1), (101.0, 3), (104.5, 10)):
        advance(run, now)
        assert (run.position, run.phase) == (position, "replaying" if position < 10 else "following")
        assert run.snapshot() == expected(tmp_path / "r", position)
    assert not run.changed


def test_a_replay_begins_and_stops_where_it_is_asked_to(recording, tmp_path):
    """What is before the beginning is folded at once, and what is behind the end never."""
    run = ReplayedRun(tmp_path / "r", RecordedClock(), first=4, last=6)
    assert run.phase == "seeking"

    advance(run, 100.0)
    assert (run.phase, run.position) == ("replaying", 4)
    advance(run, 120.0)
    assert (run.phase, run.position) == ("stopped", 6)


def test_a_viewer_sees_the_beginning_before_what_follows_it(tmp_path, raw_record):
    """Even if all events have the same time, as those of an imported log may have."""
    with closing(Recording(tmp_path / "r", 1)) as recording:
        recording.extend([raw_record(seq) for seq in range(3)])
        same = [raw_record(seq) for seq in range(3, 9)]
        recording.extend([type(r)(r.stream, r.seq, 2_002, 2_002, r.data) for r in same])
    run = ReplayedRun(tmp_path / "r", RecordedClock(), first=5)
    run.advance(100.0, float("inf"))

    assert (run.position, run.phase) == (5, "replaying")
    run.advance(100.0, float("inf"))
    assert run.position == 9


def test_a_replay_begins_at_a_checkpoint(tmp_path, raw_record, checkpoint_every, monkeypatch):
    """Only the events between it and the beginning are folded, and the bytes are the same."""
    checkpoint_every(10)
    with closing(Recording(tmp_path / "r", 1)) as recording:
        for seq in range(25):
            recording.extend([timed(raw_record, seq)])
            recording.flush()
    run = ReplayedRun(tmp_path / "r", RecordedClock(), first=23)

    assert run.position == 20
    advance(run, 100.0)
    assert (run.position, run.phase) == (23, "replaying")
    assert run.snapshot() == expected(tmp_path / "r", 23)


def test_what_is_added_later_follows_at_once(recording, tmp_path, raw_record):
    """The run was still being written when its end was reached."""
    run = ReplayedRun(tmp_path / "r", RecordedClock(1000.0))
    advance(run, 101.0)
    assert run.phase == "following"

    recording.extend([timed(raw_record, seq) for seq in (10, 11)])
    recording.flush()
    advance(run, 102.0)

    assert run.snapshot() == expected(tmp_path / "r", 12)


def test_folding_takes_turns_with_other_work(recording, tmp_path, raw_record):
    """No call goes on long after the time that it is given."""
    recording.extend([timed(raw_record, seq) for seq in range(10, 500)])
    recording.flush()
    run = ReplayedRun(tmp_path / "r", RecordedClock(), first=500)

    assert 0 < len(run.advance(100.0, 0.0)) < 100
    while run.phase == "seeking":
        run.advance(100.0, 0.0)
    assert run.position == 500


def test_a_path_without_a_log_is_an_error(tmp_path):
    """The error names it."""
    with pytest.raises(EsperError, match="nothing-here"):
        ReplayedRun(tmp_path / "nothing-here", RecordedClock())
