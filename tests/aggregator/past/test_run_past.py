"""Any moment of a recorded run is the fold of its first events, byte for byte."""

import random

import pytest
from tests.aggregator.past.recorded_runs import SECOND, SHAPES, START_NS, record, two_ranks, whole

from esper_aggregator.fold.projection import project
from esper_aggregator.past import run_past
from esper_aggregator.past.checkpoint_writer import CheckpointWriter
from esper_aggregator.past.history_fold import HistoryFold
from esper_aggregator.past.run_past import RunPast
from esper_aggregator.past.steps import finish
from esper_aggregator.replay import fold_path
from esper_bus.paths import RunPaths
from esper_bus.records import Batch
from esper_bus.store.run_files import files_at
from esper_bus.store.run_reader import read_records
from esper_bus.store.spool import SpoolWriter
from esper_schemas.codec import encode_snapshot
from esper_schemas.history import AtEvent, AtTime, AtUpdate


@pytest.fixture(params=["written", "kept", "none"])
def spacing(request, monkeypatch, checkpoint_every):
    """Checkpoints some events apart, in the file of the log or in memory; or none."""
    checkpoint_every(10**9 if request.param == "none" else 7)
    monkeypatch.setattr(run_past, "_STEP_EVENTS", 7)
    if request.param != "written":
        monkeypatch.setattr(CheckpointWriter, "save", lambda *_: None)


@pytest.fixture
def opened(tmp_path):
    """Opens the past of a run of some shape, or with some events."""

    def open_run(shape):
        run_dir = tmp_path / "r"
        SHAPES[shape](run_dir) if isinstance(shape, str) else record(run_dir, shape)
        past = RunPast("r", run_dir)
        finish(past.open(files_at(run_dir)))
        return run_dir, past

    return open_run


@pytest.mark.parametrize("shape", SHAPES)
def test_a_snapshot_is_the_fold_of_the_first_events(opened, spacing, shape):
    """Whichever moments were asked for before, and in whichever order."""
    run_dir, past = opened(shape)
    dice = random.Random(shape)
    positions = [dice.randrange(past.events + 1) for _ in range(15)]
    positions += [3, 2, past.events, past.events - 1, 0]

    assert past.events == fold_path(run_dir).events_folded > 20
    for events in positions:
        answer = finish(past.snapshot(AtEvent(events)))

        assert answer.place.events == events
        assert encode_snapshot(answer.snapshot) == encode_snapshot(project(fold_path(run_dir, events=events)))


def test_a_moment_beyond_the_end_is_the_end(opened, spacing):
    """By event, update and time."""
    _, past = opened("finished")
    end = finish(past.snapshot(AtEvent(past.events)))

    assert finish(past.snapshot(AtEvent(10**9))) == end
    assert finish(past.snapshot(AtUpdate(10**9))) == end
    assert finish(past.snapshot(AtTime(1 << 61))) == end


def test_a_moment_before_the_beginning_is_the_beginning(opened, spacing):
    """The run has no update and no time then."""
    _, past = opened("finished")
    place = finish(past.snapshot(AtTime(START_NS - 1))).place

    assert (place.events, place.update, place.time_ns) == (0, None, None)
    assert finish(past.snapshot(AtUpdate(0))).place.events == 1


@pytest.mark.parametrize("update", [1, 7, 33, 49])
def test_an_update_ends_before_the_first_event_of_the_next(opened, spacing, update):
    """What its trainer reports about it afterwards belongs to it."""
    run_dir, past = opened("finished")
    place = finish(past.snapshot(AtUpdate(update))).place
    snapshot = finish(past.snapshot(AtUpdate(update))).snapshot
    following = list(read_records(run_dir))[place.events].event

    assert place.update == snapshot.tamiyo.ppo_updates_count == snapshot.ranks[0].last_update == update
    assert type(following).__name__ == "EpisodeCompleted"
    assert following.episode == update + 1


@pytest.mark.parametrize(
    ("update", "process"), [(15, 1), (20, 2), (21, 2), (30, 3), (31, 3), (41, 3), (60, 3)]
)
def test_of_an_update_that_was_made_again_the_later_one_is_meant(opened, spacing, update, process):
    """Each process that resumed replaces what came after the update from which it did."""
    _, past = opened("resumed")
    answer = finish(past.snapshot(AtUpdate(update)))

    assert answer.place.update == update
    assert answer.snapshot.ranks[0].epoch == process
    assert answer.snapshot.ranks[0].last_update in (update, 40, 35)  # a process has just been started


@pytest.mark.parametrize("update", [1, 2, 15, 29, 30])
def test_an_update_is_complete_when_all_ranks_have_made_it(opened, spacing, update):
    """Then a rank that is faster may have begun the next one."""
    _, past = opened("two ranks")
    snapshot = finish(past.snapshot(AtUpdate(update))).snapshot

    assert {rank.last_update for rank in snapshot.ranks} == {update}


@pytest.mark.parametrize(("update", "process"), [(5, 1), (19, 1), (21, 2), (30, 2), (31, 2), (40, 2)])
def test_ranks_that_resume_make_their_updates_again(opened, spacing, update, process):
    """Both ranks are in the later process then, and have made the update."""
    _, past = opened("two ranks, resumed")
    ranks = finish(past.snapshot(AtUpdate(update))).snapshot.ranks

    assert [(rank.last_update, rank.epoch) for rank in ranks] == [(update, process)] * 2


def test_nobody_waits_for_a_rank_that_has_died(opened, spacing):
    """From the second update without it on, those of the other one count."""
    _, past = opened("two ranks")
    updates = [finish(past.snapshot(AtUpdate(update))).snapshot.ranks[0].last_update for update in (35, 40)]

    assert updates == [35, 40]


def test_an_update_of_logged_values_has_all_values_of_its_step(opened, spacing):
    """They come in several calls."""
    _, past = opened("logged")
    answer = finish(past.snapshot(AtUpdate(17)))

    assert answer.place.update == answer.snapshot.tamiyo.ppo_updates_count == 17
    assert answer.snapshot.tamiyo.kl_divergence == pytest.approx(0.17)


@pytest.mark.parametrize(
    ("update", "found", "following"), [(9, None, 10), (10, 10, 20), (45, 40, 50), (290, 290, None)]
)
def test_an_update_that_was_not_recorded_is_the_one_before(opened, spacing, update, found, following):
    """A trainer may record some of its updates only; the answer names the next one."""
    _, past = opened("every tenth")
    answer = finish(past.snapshot(AtUpdate(update)))

    assert (answer.place.update, answer.next_update) == (found, following)


def test_the_next_update_of_a_resumed_run_is_the_one_that_counts(opened, spacing):
    """The last process went on from update 30, so that 31 follows, whatever was made of it before."""
    _, past = opened("resumed")
    following = [finish(past.snapshot(AtUpdate(update))).next_update for update in (1, 20, 29, 30, 60)]

    assert following == [2, 21, 30, 31, None]


@pytest.mark.parametrize("second", [0, 1, 50, 155])
def test_a_time_is_after_the_last_event_at_or_before_it(opened, spacing, second):
    """Events of the same moment are included."""
    _, past = opened("finished")
    place = finish(past.snapshot(AtTime(START_NS + second * SECOND + 5))).place

    assert (place.events, place.time_ns) == (second + 1, START_NS + second * SECOND)


def test_the_clocks_of_ranks_may_differ(tmp_path, spacing):
    """The last event in the order of the log counts."""
    events = list(two_ranks())
    late = [record for record in events if record.stream.producer == "host:1"]
    record(tmp_path / "r", [record for record in events if record.stream.producer == "host:0"] + late)
    past = RunPast("r", tmp_path / "r")
    finish(past.open(files_at(tmp_path / "r")))
    times = [one.emitted_ns for one in read_records(tmp_path / "r")]
    for time_ns in times[::9]:
        expected = max(index for index, at in enumerate(times, 1) if at <= time_ns)

        assert finish(past.snapshot(AtTime(time_ns))).place.events == expected


def test_marks_are_what_happened_in_the_order_of_their_places(opened, spacing):
    """Restarts, anomalies, checkpoints, and the onsets of findings; each place is that of its event."""
    run_dir, past = opened("resumed")
    marks = past.marks()
    records = list(read_records(run_dir))

    assert (marks.first.events, marks.first.update, marks.last.events) == (2, 1, past.events)
    assert [mark.place.events for mark in marks.marks] == sorted(mark.place.events for mark in marks.marks)
    assert [mark.title for mark in marks.marks if mark.kind == "restart"] == [
        "host:0 started again, resumed from update 20",
        "host:0 started again, resumed from update 30",
    ]
    kinds = {"anomaly": "AnomalyDetected", "checkpoint": "CheckpointSaved", "restart": "RunStarted"}
    for mark in marks.marks:
        if mark.kind in kinds:
            assert type(records[mark.place.events - 1].event).__name__ == kinds[mark.kind]
            assert mark.place.time_ns == records[mark.place.events - 1].emitted_ns
    findings = [mark for mark in marks.marks if mark.kind == "finding"]
    snapshot = finish(past.snapshot(AtEvent(past.events))).snapshot

    assert {mark.rule for mark in findings} == {finding.rule for finding in snapshot.findings} != set()
    for mark in findings:
        assert finish(past.snapshot(AtUpdate(mark.place.update))).place.events == mark.place.events


def test_a_run_without_events_has_a_beginning(opened, spacing):
    """All moments are that."""
    _, past = opened(list(whole())[:1])

    assert finish(past.snapshot(AtUpdate(3))).place.events == 1
    assert past.marks().marks == ()


@pytest.mark.parametrize("kind", ["a log", "a spool"])
def test_only_new_events_of_a_run_that_grows_are_folded(tmp_path, spacing, monkeypatch, kind):
    """What was asked before is answered as before, and all moments are folds of the first events."""
    events, run_dir = list(whole()), tmp_path / "r"
    if kind == "a log":
        recording = record(run_dir, [], close=False)
        append, flush = recording.extend, recording.flush
    else:
        writer = SpoolWriter(RunPaths(run_dir), events[0].stream)
        append, flush = (lambda part: writer.write(Batch.of(part[0].seq, part))), (lambda: None)
    past, folded, extend = RunPast("r", run_dir), [], HistoryFold.extend

    def counted(self, new):
        folded.append(len(new))
        extend(self, new)

    for begin in range(0, len(events), 30):
        append(events[begin : begin + 30])
        flush()
        with monkeypatch.context() as patch:
            patch.setattr(HistoryFold, "extend", counted)
            finish(past.open(files_at(run_dir)))
        for at in (begin + 7, begin // 2, past.events):
            answer = finish(past.snapshot(AtEvent(at)))

            assert encode_snapshot(answer.snapshot) == encode_snapshot(project(fold_path(run_dir, events=at)))

    assert past.events == len(events)
    assert len(events) - 30 <= sum(folded) <= len(events)  # the first 30 may have a checkpoint


def test_a_file_that_was_replaced_is_folded_again(tmp_path, spacing):
    """Its size tells, if it is smaller."""
    run_dir = tmp_path / "r"
    record(run_dir, whole(), close=False)
    past = RunPast("r", run_dir)
    finish(past.open(files_at(run_dir)))
    (log,) = (run_dir / "log").glob("*.mcap")
    data = log.read_bytes()
    log.write_bytes(data[: len(data) * 2 // 3])
    finish(past.open(files_at(run_dir)))

    assert past.events == fold_path(run_dir).events_folded < len(list(whole()))
    assert encode_snapshot(finish(past.snapshot(AtEvent(10**9))).snapshot) == encode_snapshot(
        project(fold_path(run_dir))
    )
