"""An excerpt is a run of its own: complete, described, and never mistaken for a part of its original."""

import pytest

from esper_aggregator.excerpt import cut
from esper_aggregator.fold.invariants import validate
from esper_aggregator.notes import write_note
from esper_aggregator.past.open_past import open_past
from esper_aggregator.recording import Recording
from esper_aggregator.replay import fold_path, snapshot_of
from esper_aggregator.replaying.recorded_fold import fold_difference
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.run_reader import read_records
from esper_bus.store.verify import verify
from esper_lite import connect
from esper_schemas.codec import encode_event
from esper_schemas.declarations import MetricSpec
from esper_schemas.errors import InvalidArgument
from esper_schemas.events import Annotated, PPOUpdateCompleted, RunFinished, RunStarted
from esper_schemas.payload import PPOUpdatePayload

UPDATES = 20


BOUNDS = "[kl_divergence]\nwarning_above = 9.0\n"


def events_of(rank):
    """What one of two ranks emits; only its first start gives bounds."""
    yield RunStarted(task="t", rank=rank, world_size=2, thresholds=BOUNDS)
    yield RunStarted(task="t", rank=rank, world_size=2)
    for update in range(1, UPDATES + 1):
        yield PPOUpdateCompleted(update=update, payload=PPOUpdatePayload(policy_loss=update + 100.0 * rank))
    yield RunFinished(outcome="completed", updates=UPDATES)


@pytest.fixture
def run_dir(tmp_path):
    """A run of two ranks, of which the second one has larger losses."""
    recording = Recording(tmp_path / "original", 1)
    for seq, events in enumerate(zip(events_of(0), events_of(1), strict=True)):
        for rank, event in enumerate(events):
            stream = StreamKey("original", f"trainer:{rank}", 5 + rank)
            recording.extend([RawRecord(stream, seq, seq, seq, encode_event(event))])
    recording.close()
    return tmp_path / "original"


@pytest.fixture
def logged(tmp_path):
    """A run that logs values under its own names, and describes one of them."""
    with connect("logged", runs_dir=tmp_path) as telemetry:
        telemetry.define("mine", unit="m")
        for step in range(1, UPDATES + 1):
            telemetry.log({"approx_kl": step / 1000, "mine": step}, step=step)
    return tmp_path / "logged"


def last_update(path):
    """The last update that a run shows."""
    return snapshot_of(path).tamiyo.last_update


@pytest.mark.parametrize("name", ["part", "part.mcap"])
def test_an_excerpt_is_a_whole_run(run_dir, tmp_path, name):
    """It verifies, folds to a valid state without losses, and ends with the values of its last update."""
    out = tmp_path / "there" / name
    excerpt = cut(run_dir, out, 8, 12)

    snapshot = snapshot_of(out)
    assert verify(out).ok
    validate(fold_path(out))
    assert (snapshot.run.run, snapshot.events_folded) == ("part", excerpt.events)
    assert (snapshot.link.gaps, snapshot.losses) == (0, ())
    assert snapshot.tamiyo.last_update == 12
    assert snapshot.tamiyo.policy_loss_history == tuple(update + 50.0 for update in range(8, 13))
    assert [rank.rank for rank in snapshot.ranks] == [0, 1]
    assert fold_difference(out) == ""


def test_an_excerpt_says_what_it_leaves_out(run_dir, tmp_path):
    """Every event of the original is in it or counted; so does a second cut."""
    excerpt = cut(run_dir, tmp_path / "part", 8, 12)
    events = len(list(read_records(run_dir)))
    inside = sum(isinstance(record.event, PPOUpdateCompleted) for record in read_records(tmp_path / "part"))

    before, behind = 4 + 2 * 7, 2 * 8 + 2
    assert inside == 10
    assert before + inside + behind == events
    assert excerpt.text.startswith("an excerpt of original from update 8 to update 12; ")
    assert f"{before} events before and {behind} behind are left out" in excerpt.text
    assert snapshot_of(tmp_path / "part").run.excerpt == excerpt.text
    cut(tmp_path / "part", tmp_path / "smaller", 9, None)
    assert "excerpt of part from update 9 to its end" in snapshot_of(tmp_path / "smaller").run.excerpt


def test_an_excerpt_shares_no_identity_with_its_original(run_dir, tmp_path):
    """An aggregator that has both takes none of its events for one of the original."""
    cut(run_dir, tmp_path / "other" / "original", 8, 12)
    streams = [
        {(record.producer, record.epoch) for record in read_records(path)}
        for path in (run_dir, tmp_path / "other" / "original")
    ]

    assert streams[0].isdisjoint(streams[1])


def test_an_excerpt_keeps_what_its_events_depend_on(run_dir, logged, tmp_path):
    """The bounds of the run, the descriptions of its metrics, and the numbers of updates that are logged."""
    cut(run_dir, tmp_path / "bounds", 15)
    cut(logged, tmp_path / "numbers", 11, 15)
    snapshot = snapshot_of(tmp_path / "numbers")

    assert snapshot_of(tmp_path / "bounds").tamiyo.thresholds == snapshot_of(run_dir).tamiyo.thresholds
    assert snapshot.tamiyo.last_update == last_update(logged) - 5
    assert snapshot.tamiyo.kl_divergence_history == tuple(step / 1000 for step in range(11, 16))
    assert snapshot.metric_specs == {"mine": MetricSpec(name="mine", unit="m")}


def test_notes_that_were_written_later_are_in_an_excerpt_of_their_update(run_dir, tmp_path):
    """Those about other updates are not."""
    for update in (7, 8, 12, 13):
        write_note(run_dir, Annotated(text=f"about {update}", who="ada", update=update), 10**18)
    excerpt = cut(run_dir, tmp_path / "part", 8, 12)

    assert verify(tmp_path / "part").ok
    assert f"and {2 * 8 + 2 + 2} behind are left out" in excerpt.text
    assert [entry.note.text for entry in snapshot_of(tmp_path / "part").notes] == ["about 8", "about 12"]
    assert {(m.kind, m.place.update) for m in open_past(tmp_path / "part").marks().marks} >= {
        ("note", 8),
        ("note", 12),
    }


def test_the_end_of_a_run_is_in_an_excerpt_up_to_it(run_dir, tmp_path):
    """Only there: another excerpt has no outcome, as the training went on."""
    cut(run_dir, tmp_path / "end", 15)
    cut(run_dir, tmp_path / "middle", None, 15)

    assert snapshot_of(tmp_path / "end").run.outcome == "completed"
    assert snapshot_of(tmp_path / "middle").run.outcome is None


@pytest.mark.parametrize(
    ("out", "updates", "text"),
    [
        ("part", (None, None), "needs a first or a last update"),
        ("part", (5, 99), "no update 99"),
        ("taken", (5, 6), "already exists"),
        ("original/part", (5, 6), "lies within"),
        ("a name", (5, 6), "cannot name a run"),
    ],
)
def test_an_excerpt_that_cannot_be_made_is_refused(run_dir, tmp_path, out, updates, text):
    """Before anything is written."""
    (tmp_path / "taken").mkdir()
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(InvalidArgument, match=text):
        cut(run_dir, tmp_path / out, *updates)
    assert sorted(tmp_path.rglob("*")) == before
