"""A recorded run is shown as a source of snapshots, which follows a log that is still being written."""

import math
import time

import pytest

from esper_aggregator import log_source
from esper_aggregator.log_source import FoldedLog, LogSource
from esper_aggregator.past.checkpoint_file import checkpoint_path
from esper_aggregator.recording import Recording
from esper_aggregator.replay import snapshot_of
from esper_schemas.declarations import RunThresholds
from esper_schemas.errors import EsperError


@pytest.fixture
def recording(tmp_path):
    """A run that is being recorded."""
    recording = Recording(tmp_path / "r", 1)
    yield recording
    recording.close()


@pytest.fixture
def add(recording, raw_record):
    """Makes a function that records the updates `first`..`end`-1."""

    def add(first, end):
        recording.extend([raw_record(seq) for seq in range(first, end)])
        recording.flush()

    return add


def polled_until(source, condition):
    """The feed of a source, as soon as it meets a condition."""
    deadline = time.monotonic() + 30
    while not condition(feed := source.poll()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return feed


def test_a_recorded_run_is_shown_as_a_source(tmp_path, add):
    """Every poll returns its end; the feed is not live, and its origin is the directory."""
    add(0, 30)
    source = LogSource(tmp_path / "r")
    feed = source.poll()
    source.close()

    assert feed == source.poll()
    assert (feed.live, feed.origin, feed.problem) == (False, str(tmp_path / "r"), "")
    assert math.isclose(feed.snapshot.tamiyo.policy_loss, 2.9)


def test_a_run_is_evaluated_with_the_bounds_of_a_project(tmp_path, raw_record, recording):
    """A KL divergence of 0.2 is no symptom with wide bounds, whatever a checkpoint holds."""
    recording.extend([raw_record(0, kl_divergence=0.2)])
    recording.close()
    wider = RunThresholds("[kl_divergence]\nwarning_above = 0.5\ncritical_above = 1.0\n")

    assert LogSource(tmp_path / "r").poll().snapshot.symptoms != ()
    assert LogSource(tmp_path / "r", given=wider).poll().snapshot.symptoms == ()


def test_a_log_that_is_still_written_is_followed(tmp_path, add):
    """At any time the snapshot is the one that a fold of the whole log makes."""
    add(0, 3)
    source = LogSource(tmp_path / "r")
    for first, end in ((3, 4), (4, 400)):
        add(first, end)
        feed = polled_until(source, lambda feed, end=end: feed.snapshot.events_folded == end)
        assert feed.snapshot == snapshot_of(tmp_path / "r")


def test_a_poll_is_short_however_much_was_added(tmp_path, add, monkeypatch):
    """The rest is folded by the next polls; here the time for one of them is over at once."""
    add(0, 1)
    source = LogSource(tmp_path / "r")
    monkeypatch.setattr(log_source, "FOLD_S", 0.0)
    add(1, 1000)
    feed = polled_until(source, lambda feed: feed.snapshot.events_folded > 1)

    assert feed.snapshot.events_folded < 1000
    assert polled_until(source, lambda feed: feed.snapshot.events_folded == 1000)


def test_a_run_is_folded_from_its_last_checkpoint(tmp_path, raw_record, checkpoint_every, monkeypatch):
    """Only the events after it are read; the snapshot is that of a fold from the beginning."""
    checkpoint_every(10)
    recording = Recording(tmp_path / "r", 1)
    for seq in range(25):
        recording.extend([raw_record(seq)])
        recording.flush()
    folded = FoldedLog(tmp_path / "r")

    assert folded.state.events_folded == 20
    assert LogSource(tmp_path / "r").poll().snapshot == snapshot_of(tmp_path / "r")
    recording.close()


def test_a_long_log_has_no_snapshot_before_it_is_read(tmp_path, add, monkeypatch):
    """Each poll reads on, and says which share of the log was read; `read_all` reports it instead."""
    add(0, 200)
    add(200, 700)
    checkpoint_path(tmp_path / "r").unlink(missing_ok=True)
    monkeypatch.setattr(log_source, "OPEN_S", 0.0)
    monkeypatch.setattr(log_source, "READ_S", 0.0)
    polled, printed, shares = LogSource(tmp_path / "r"), LogSource(tmp_path / "r"), []
    feed = polled.poll()
    printed.read_all(shares.append)

    assert feed.snapshot.events_folded == 0
    assert 0 < feed.share_read <= 1
    assert shares == sorted(shares) != []
    whole = polled_until(polled, lambda feed: feed.share_read is None)
    assert whole.snapshot == printed.poll().snapshot == snapshot_of(tmp_path / "r")


def test_a_log_that_was_replaced_is_folded_anew(tmp_path, add, recording, raw_record):
    """A run was recorded again under its name, and has fewer events."""
    add(0, 20)
    source = LogSource(tmp_path / "r")
    recording.close()
    for path in (tmp_path / "r" / "log").iterdir():
        path.unlink()
    again = Recording(tmp_path / "r", 2)
    again.extend([raw_record(seq) for seq in range(5)])
    again.flush()

    feed = polled_until(source, lambda feed: feed.snapshot.events_folded == 5)
    assert feed.snapshot == snapshot_of(tmp_path / "r")
    again.close()


def test_a_log_that_vanished_is_reported(tmp_path, add, recording):
    """The last snapshot remains, with a sentence about the reason."""
    add(0, 2)
    source = LogSource(tmp_path / "r")
    recording.close()
    (tmp_path / "r").rename(tmp_path / "moved")

    feed = polled_until(source, lambda feed: feed.problem)
    assert str(tmp_path / "r") in feed.problem
    assert feed.snapshot.events_folded == 2


def test_later_damage_is_shown(tmp_path, add, recording):
    """A terminal that shows the screen has no room for it; damage found at the start is a callback's."""
    add(0, 2)
    recording.close()
    (path,) = (tmp_path / "r" / "log").glob("*.mcap")
    data = path.read_bytes()
    copy = tmp_path / "copy.mcap"
    copy.write_bytes(data[: data.index(b"\x0f\x04\x00\x00\x00\x00\x00\x00\x00")])
    damages = []
    source = LogSource(copy, damages.append)
    copy.write_bytes(copy.read_bytes() + b"\x7f" * 100)

    feed = polled_until(source, lambda feed: feed.problem)
    assert str(copy) in feed.problem
    assert damages == []


def test_a_path_without_a_log_is_an_error(tmp_path):
    """The error names the path."""
    with pytest.raises(EsperError, match="nothing-here"):
        LogSource(tmp_path / "nothing-here")
