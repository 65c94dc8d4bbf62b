"""Tests of esper_tui.pages.event_pages: EVENTS and LOG."""

import pytest
from msgspec import structs

from esper_schemas.snapshot import EventEntry, LogEntry
from esper_tui.pages.event_pages import event_entries, log_entries
from esper_tui.text.spans import plain
from esper_tui.view.view import View

LONG = "the text of an event that is too long for its row, and goes on to the END"


@pytest.fixture
def view(make_feed, make_snapshot, now):
    """A view of a run with an event and a warning, both with a long text."""
    event = EventEntry(at_ns=10**9, producer="host1:1", kind="AnomalyDetected", text=LONG)
    warning = LogEntry(at_ns=2 * 10**9, producer="host2:2", level="warning", message=LONG)
    snapshot = structs.replace(make_snapshot(), recent_events=(event,), log=(warning,))
    return View(make_feed(snapshot), now)


@pytest.mark.parametrize(
    ("entries", "row", "head"),
    [
        (event_entries, "00:00:01  anomaly", "00:00:01  AnomalyDetected from host1:1"),
        (log_entries, "00:00:02  W rank 2: the text", "00:00:02  warning from host2:2"),
    ],
)
def test_the_details_are_kind_producer_and_the_whole_text(view, text, entries, row, head):
    """The row itself has no room for the end of the text."""
    (entry,) = entries(view, 60)
    lines = text(entry.details(60))

    assert plain(entry.row).startswith(row)
    assert "END" not in plain(entry.row)
    assert lines[0] == head
    assert " ".join(lines[1:]) == LONG


@pytest.mark.parametrize("entries", [event_entries, log_entries])
def test_the_key_of_an_entry_is_its_record(view, entries):
    """The cursor can follow it while newer entries arrive."""
    (entry,) = entries(view, 60)

    assert entry.key in (*view.snapshot.recent_events, *view.snapshot.log)


@pytest.mark.parametrize(("entries", "words"), [(event_entries, "no events"), (log_entries, "no warnings")])
def test_an_empty_list_says_so_in_one_entry(feeds, now, entries, words):
    """The entry has no details."""
    (entry,) = entries(View(feeds["waiting"], now), 60)

    assert plain(entry.row).startswith(words)
    assert entry.details(60) == ()
