"""Notes are kept for every viewer, and change nothing else of the run."""

from msgspec import structs
from tests.aggregator.fold.validated import fold_all, project

from esper_aggregator.fold.run_state import KEPT_NOTES
from esper_schemas.events import Annotated, PPOUpdateCompleted, RunStarted
from esper_schemas.payload import PPOUpdatePayload


def training(record_of):
    """A start and three updates."""
    updates = [PPOUpdateCompleted(update=n, payload=PPOUpdatePayload(policy_loss=0.1)) for n in (1, 2, 3)]
    return [record_of(event, at_ns=1000 + n) for n, event in enumerate([RunStarted(task="t"), *updates])]


def note(record_of, text="look here", **identity):
    """A note that is written long after the training."""
    event = Annotated(text=text, who="ada", update=2)
    return record_of(event, producer="notes", epoch=9, at_ns=10**18, **identity)


def test_a_snapshot_has_the_notes(record_of):
    """With their times; they are also among the events."""
    records = [*training(record_of), note(record_of)]
    state = fold_all(records)
    snapshot = project(state)

    assert [(entry.at_ns, entry.note.text) for entry in snapshot.notes] == [(10**18, "look here")]
    assert snapshot.recent_events[-1].text == "about update 2: look here (ada)"


def test_a_note_changes_nothing_else(record_of):
    """Its writer is not a rank, and the run does not last until it was written; even if it comes first."""
    records, written = training(record_of), note(record_of)
    without = project(fold_all(records))
    for order in ([*records, written], [written, *records]):
        found = project(fold_all(order))
        same = structs.replace(
            found,
            notes=(),
            events_folded=without.events_folded,
            recent_events=without.recent_events,
            link=structs.replace(found.link, events=without.link.events),
        )
        assert same == without


def test_a_trainer_may_write_notes(record_of):
    """It stays the trainer that it is."""
    records = training(record_of)
    records.insert(1, record_of(Annotated(text="mine"), at_ns=1001))
    snapshot = project(fold_all(records))

    assert [rank.producer for rank in snapshot.ranks] == ["host:0"]
    assert [entry.note.text for entry in snapshot.notes] == ["mine"]


def test_the_last_notes_are_kept(record_of):
    """Their number and their length are limited, whatever a log holds."""
    records = [note(record_of, text=f"{n} " + "x" * 10_000) for n in range(KEPT_NOTES + 5)]
    state = fold_all(records)

    assert len(state.notes) == KEPT_NOTES
    assert state.notes[-1].note.text.startswith(f"{KEPT_NOTES + 4} ")
    assert len(state.notes[-1].note.text) == 500
