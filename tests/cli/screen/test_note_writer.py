"""Notes of a screen are written in threads, into the log of a recorded or a live run."""

import threading
import time
from contextlib import contextmanager

import pytest

from esper_aggregator.replay import snapshot_of
from esper_aggregator.service import Aggregator
from esper_bus import addresses
from esper_cli.screen.note_writer import ThreadedNotes, note_writer, notes_of_aggregator
from esper_schemas.errors import Refused
from esper_schemas.events import Annotated, PPOUpdateCompleted, RunStarted
from esper_schemas.payload import PPOUpdatePayload

NOTE = Annotated(text="look here", update=1)


@pytest.fixture
def run_dir(recorded):
    """A recorded run of one update."""
    return recorded(RunStarted(task="t"), PPOUpdateCompleted(update=1, payload=PPOUpdatePayload()))


def outcome(notes):
    """The next sentence about a note."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for sentence in notes.outcomes():
            return sentence
        time.sleep(0.01)
    return pytest.fail("the note has no outcome")


@contextmanager
def serving(runs_dir, endpoints):
    """An aggregator in a thread."""
    aggregator = Aggregator(runs_dir, endpoints)
    thread = threading.Thread(target=aggregator.serve)
    thread.start()
    try:
        yield
    finally:
        aggregator.stop()
        thread.join(timeout=30)


def test_a_note_about_a_recorded_run_is_in_its_log(run_dir):
    """With the name of the user."""
    notes = note_writer(str(run_dir))
    notes.write("mine", NOTE)

    assert outcome(notes) == "Noted about update 1."
    (entry,) = snapshot_of(run_dir).notes
    assert (entry.note.text, entry.note.update, bool(entry.note.who)) == ("look here", 1, True)


def test_a_note_about_a_live_run_is_sent(run_dir, tmp_path):
    """To the aggregator, which writes it."""
    endpoints = addresses.parse(f"ipc://{tmp_path}/s")
    notes = notes_of_aggregator(lambda: endpoints)
    with serving(run_dir.parent, endpoints):
        notes.write("mine", NOTE)
        assert outcome(notes) == "Noted about update 1."
        notes.write("absent", NOTE)
        assert "no run 'absent'" in outcome(notes)

    assert [entry.note.text for entry in snapshot_of(run_dir).notes] == ["look here"]


def test_a_screen_does_not_wait_for_its_notes():
    """A note whose aggregator does not answer is reported later, in one sentence."""
    answer = threading.Event()

    def deliver(run, note, emitted_ns):
        answer.wait(30)
        raise Refused("The aggregator is gone.")

    notes = ThreadedNotes(deliver)
    notes.write("mine", NOTE)
    assert list(notes.outcomes()) == []
    answer.set()

    assert outcome(notes) == "The aggregator is gone."


def test_a_single_file_is_never_changed(run_dir):
    """There is no writer for it."""
    (file,) = (run_dir / "spool").glob("*.mcap")

    assert note_writer(str(file)) is None
