"""The past of a run without checkpoints is folded once, and kept for the next reader."""

import pytest
from tests.aggregator.past.recorded_runs import damaged, merged, of_spools, record, resumed, spool, whole

from esper_aggregator.fold.projection import project
from esper_aggregator.fold.state_codec import encode_state
from esper_aggregator.log_source import FoldedLog
from esper_aggregator.past import run_past
from esper_aggregator.past.history_fold import HistoryFold
from esper_aggregator.past.open_past import open_past
from esper_aggregator.past.steps import finish
from esper_aggregator.replay import fold_at, fold_path
from esper_bus.paths import RunPaths
from esper_bus.records import Batch
from esper_bus.store.spool import SpoolWriter
from esper_schemas.codec import encode_snapshot
from esper_schemas.declarations import RunThresholds
from esper_schemas.history import AtEvent


def earlier_version(run_dir):
    """A log without checkpoints that this version can use, as version 0.1 left it."""
    record(run_dir, resumed())
    (run_dir / "log" / "checkpoints.fold").write_bytes(b"of another version")


def one_file(run_dir):
    """A run of one process that only its spool has."""
    spool(run_dir, whole())


SHAPES = {
    "spool": one_file,
    "spools": of_spools,
    "merged": merged,
    "damaged": damaged,
    "0.1": earlier_version,
}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch, checkpoint_every):
    """States are kept often enough for runs of some hundred events."""
    checkpoint_every(7)
    monkeypatch.setattr(run_past, "_KEPT_FROM", 3)
    monkeypatch.setattr(run_past, "_STEP_EVENTS", 7)


@pytest.fixture
def folded(monkeypatch):
    """The numbers of events that are folded."""
    counts, extend = [], HistoryFold.extend

    def counted(self, records):
        counts.append(len(records))
        extend(self, records)

    monkeypatch.setattr(HistoryFold, "extend", counted)
    return counts


@pytest.fixture(params=SHAPES)
def run_dir(request, tmp_path):
    """A run whose past is not kept beside its log."""
    SHAPES[request.param](tmp_path / "r")
    for path in (tmp_path / "r").rglob("*.fold"):
        path.unlink()
    return tmp_path / "r"


def test_the_second_reader_folds_nothing_and_reads_the_same(run_dir, folded, cache):
    """The end, every moment, the marks, and what `esper state` prints."""
    before = sorted(run_dir.rglob("*"))
    first = open_past(run_dir)
    assert sum(folded) == first.events > 100
    folded.clear()
    second = open_past(run_dir)

    assert sum(folded) == 0
    assert second.marks() == first.marks()
    assert encode_state(fold_at(run_dir, None)) == encode_state(fold_path(run_dir))
    log = FoldedLog(run_dir)
    log.advance()
    assert encode_state(log.state) == encode_state(fold_path(run_dir))
    for events in range(0, first.events + 1, 17):
        answer = finish(second.snapshot(AtEvent(events)))

        assert answer.place == finish(first.snapshot(AtEvent(events))).place
        assert encode_snapshot(answer.snapshot) == encode_snapshot(project(fold_path(run_dir, events=events)))
    assert sorted(run_dir.rglob("*")) == before
    assert len(list((cache / "esper" / "past").iterdir())) == 1


@pytest.mark.parametrize(
    "harm", ["a flipped bit of the run", "a flipped bit of the cache", "other thresholds"]
)
def test_a_kept_past_of_anything_else_is_not_used(tmp_path, cache, harm):
    """The run is folded again, and the answer is that of its files."""
    one_file(tmp_path / "r")
    open_past(tmp_path / "r")
    (kept,) = (cache / "esper" / "past").iterdir()
    (log,) = (tmp_path / "r" / "spool").glob("*.mcap")
    given = RunThresholds("[kl_divergence]\nwarning_above = 0.9\n") if harm == "other thresholds" else None
    if given is None:
        path = kept if "cache" in harm else log
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)

    past = open_past(tmp_path / "r", given)
    for events in (past.events, past.events // 2, 3):
        state = finish(past.state_at(events))

        assert encode_state(state) == encode_state(fold_path(tmp_path / "r", events=events, given=given))


def test_only_what_was_added_since_is_folded(tmp_path, folded):
    """A spool of a trainer without an aggregator grows while it is watched."""
    events, run_dir = list(whole()), tmp_path / "r"
    writer = SpoolWriter(RunPaths(run_dir), events[0].stream)
    writer.write(Batch.of(0, events[:100]))
    open_past(run_dir)
    folded.clear()
    log = FoldedLog(run_dir)
    log.advance()
    writer.write(Batch.of(100, events[100:]))
    log.refresh()
    log.advance()
    past = open_past(run_dir)
    writer.close()

    assert sum(folded) == past.events - 100 == len(events) - 100
    assert encode_state(log.state) == encode_state(fold_path(run_dir)) == encode_state(fold_at(run_dir, None))


def test_a_cache_that_cannot_be_written_is_done_without(run_dir, cache):
    """The next reader folds the run again."""
    cache.write_text("in the way")

    assert open_past(run_dir).marks() == open_past(run_dir).marks()
