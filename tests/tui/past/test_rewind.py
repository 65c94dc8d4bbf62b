"""Tests of esper_tui.past.rewind: what is shown, what is asked, and what is said."""

import pytest
from tests.tui.list_history import ListHistory

from esper_schemas.history import AtEvent, AtTime, AtUpdate, Mark, MarksQuestion, Place, Unanswered
from esper_schemas.snapshot import EMPTY_SNAPSHOT, RunInfo, SanctumSnapshot
from esper_schemas.state import TamiyoState
from esper_tui.past.rewind import MOST_AWAITED, MOST_KEPT, Rewind
from esper_tui.past.run_history import RunHistory

STARTED_S = 1_700_000_000.0


def snapshot(update, run="digits"):
    """The snapshot after an update, each of which takes a second."""
    times = {"started_ns": int(STARTED_S * 1e9), "last_event_ns": int((STARTED_S + update) * 1e9)}
    state = TamiyoState(last_update=update, ppo_updates_count=update, ppo_data_received=update > 0)
    return SanctumSnapshot(events_folded=update, run=RunInfo(run=run, **times), tamiyo=state)


def mark(update, severity="critical"):
    """A mark at an update."""
    return Mark(place=Place(update, update), kind="anomaly", title=f"mark {update}", severity=severity)


class Viewer:
    """A rewind over a history of lists, with its clock and what it said."""

    def __init__(self, updates=100, marks=(), missing=()):
        kept = {u: snapshot(u) for u in range(1, updates + 1) if u not in missing}
        self.history = ListHistory({}, tuple(map(mark, marks)), snapshots=kept)
        self.run_history = RunHistory(lambda run: self.history)
        self.said = []
        self.rewind = Rewind(self.run_history, self.said.append)
        self.present = snapshot(updates)
        self.now_s = 50.0
        self.past = None
        self.tick()

    def tick(self, times=1, watched=False):
        """Let the screen draw a number of times, without the clock moving."""
        for _ in range(times):
            self.run_history.show(self.present.run.run)
            self.run_history.deliver()
            self.past = self.rewind.follow(self.present, self.now_s, watched=watched)

    def update(self):
        """The update that is shown, None in the present."""
        return self.past and self.past.snapshot and self.past.snapshot.tamiyo.last_update


def test_nothing_is_asked_in_the_present():
    """The history is not even opened."""
    viewer = Viewer()
    viewer.tick(10)

    assert viewer.past is None
    assert viewer.history.asked == []


def test_a_step_shows_the_update_before_and_how_far_behind_it_is():
    """The step forward returns to the present."""
    viewer = Viewer()
    viewer.rewind.step(-1)
    viewer.tick(2)

    assert viewer.update() == 99
    assert viewer.past.updates_behind == 1
    viewer.rewind.step(1)
    viewer.tick()
    assert viewer.past is None


def test_neighbours_are_fetched_ahead():
    """The next steps show their updates at once, in either direction."""
    viewer = Viewer()
    viewer.rewind.go_to(AtUpdate(50))
    viewer.tick(6)
    for direction, expected in ((-1, 49), (1, 50), (1, 51), (1, 52)):
        viewer.rewind.step(direction)
        assert not viewer.rewind.is_busy
        viewer.tick(3)
        assert viewer.update() == expected


def test_few_questions_wait_at_once():
    """The update at the playhead is always among the next two."""
    viewer = Viewer()
    for _ in range(30):
        viewer.rewind.step(-1)
        viewer.rewind.follow(viewer.present, viewer.now_s)

    snapshots = [question for question in viewer.history.asked if not isinstance(question, MarksQuestion)]
    assert len(snapshots) == MOST_AWAITED
    viewer.tick(2)
    viewer.tick(1)
    assert viewer.update() == 70


def test_few_snapshots_are_kept():
    """A long walk does not fill the memory."""
    viewer = Viewer(updates=300)
    for _ in range(200):
        viewer.rewind.step(-1)
        viewer.tick(2)

    assert viewer.update() == 100
    assert len(viewer.rewind._kept) <= MOST_KEPT


def test_what_was_shown_remains_until_the_answer_arrives():
    """The screen says which update is being fetched."""
    viewer = Viewer()
    viewer.rewind.go_to(AtUpdate(50))
    viewer.tick(2)
    viewer.rewind.go_to(AtUpdate(10))
    viewer.past = viewer.rewind.follow(viewer.present, viewer.now_s)

    assert viewer.update() == 50
    assert viewer.past.awaited
    assert viewer.rewind.is_busy
    viewer.tick(1)
    assert viewer.update() == 10
    assert not viewer.past.awaited


def test_the_present_goes_on_behind_the_past():
    """The distance grows, and the position stays."""
    viewer = Viewer()
    viewer.rewind.go_to(AtUpdate(50))
    viewer.tick(2)
    viewer.present = snapshot(167)
    viewer.tick()

    assert viewer.update() == 50
    assert viewer.past.updates_behind == 117


def test_marks_are_reached_although_they_have_to_be_asked_for():
    """The first press waits for the answer; beyond the last mark it says so."""
    viewer = Viewer(marks=(12, 40))
    for expected in (40, 12):
        viewer.rewind.go_to_mark(-1)
        viewer.tick(4)
        assert viewer.update() == expected
    assert viewer.past.marks_here[0].title == "mark 12"

    viewer.rewind.go_to_mark(-1)
    assert viewer.said == ["There is no earlier mark."]


@pytest.mark.parametrize(
    ("text", "update"),
    [
        ("40", 40),
        ("update:7", 7),
        ("-30", 70),
        ("first-critical", 12),
        ("event:33", 33),
        ("2023-11-14 22:14:00", 40),
    ],
)
def test_a_named_moment_is_reached(text, update, monkeypatch):
    """An update, a distance, a mark, an event, a time."""
    viewer = Viewer(marks=(12, 40))
    viewer.rewind.go_to_text(text)
    viewer.tick(4)

    assert viewer.update() == update
    assert viewer.said == []


def test_a_moment_that_the_run_does_not_have_is_said():
    """One sentence, and the screen stays."""
    viewer = Viewer()
    viewer.rewind.go_to_text("101")
    viewer.tick(3)

    assert viewer.said == ["The run has no update 101; choose one from 1 to 100."]
    assert viewer.past is None


def test_an_event_is_shown_exactly():
    """The snapshot is the one after the event; the next step goes to a whole update."""
    viewer = Viewer()
    viewer.rewind.go_to(AtEvent(60))
    viewer.tick(3)
    assert viewer.update() == 60
    viewer.rewind.go_to(AtTime(int((STARTED_S + 30) * 1e9)))
    viewer.tick(3)
    assert viewer.update() == 30
    viewer.rewind.step(1)
    viewer.tick(3)
    assert viewer.update() == 31


def test_the_last_event_may_be_in_the_past():
    """It belongs to the update that is the present, and its moment is shown nevertheless."""
    viewer = Viewer()
    viewer.rewind.go_to(AtEvent(100))
    viewer.tick(3)

    assert viewer.rewind.is_past
    viewer.rewind.go_to_end()
    viewer.tick()
    assert viewer.past is None


def test_updates_that_the_log_lacks_are_skipped():
    """A step forward finds the next one that is there, a step back the one before."""
    viewer = Viewer(missing=range(41, 60))
    viewer.rewind.go_to(AtUpdate(40))
    viewer.tick(2)
    viewer.rewind.step(1)
    viewer.tick(60)
    assert viewer.update() == 60
    viewer.rewind.step(-1)
    viewer.tick(3)
    assert viewer.update() == 40


def test_a_log_that_begins_later_has_its_first_update_there():
    """The first update is found by going there."""
    viewer = Viewer(missing=range(1, 71))
    viewer.rewind.go_to_start()
    viewer.tick(200)

    assert viewer.rewind.playhead.first == 71
    assert viewer.update() == 71


def test_without_a_history_the_present_remains():
    """One sentence says why."""
    viewer = Viewer()
    viewer.run_history = RunHistory()
    viewer.rewind = Rewind(viewer.run_history, viewer.said.append)
    viewer.tick()
    viewer.rewind.step(-1)
    viewer.tick(20)

    assert viewer.past is None
    assert viewer.said == ["The past of this run is not available from here."]


def test_a_log_that_vanishes_leaves_what_is_shown():
    """The refusal is said once for each attempt, and is not asked for again and again."""
    viewer = Viewer()
    viewer.rewind.go_to(AtUpdate(50))
    viewer.tick(6)
    viewer.history.refusal = Unanswered("The log is gone.")
    viewer.rewind.go_to(AtUpdate(10))
    viewer.tick(20)

    assert viewer.update() == 50
    assert viewer.said == ["The log is gone."]
    asked = len(viewer.history.asked)
    viewer.tick(20)
    assert len(viewer.history.asked) == asked


def test_a_temporary_refusal_is_asked_again():
    """The aggregator may be busy for a moment."""
    viewer = Viewer()
    viewer.history.refusal = Unanswered("busy", temporary=True)
    viewer.rewind.go_to(AtUpdate(10))
    viewer.tick(5)
    viewer.history.refusal = None
    viewer.now_s += 5
    viewer.tick(3)

    assert viewer.update() == 10
    assert viewer.said == []


def test_another_run_is_in_the_present():
    """Nothing of the run before is kept."""
    viewer = Viewer()
    viewer.rewind.go_to(AtUpdate(10))
    viewer.tick(3)
    viewer.present = snapshot(20, run="other")
    viewer.tick()

    assert viewer.past is None
    assert viewer.rewind.playhead.last == 20


@pytest.mark.parametrize("updates", [0, 1])
def test_a_run_with_one_update_or_none_has_no_past(updates):
    """One sentence says so, and nothing is asked."""
    viewer = Viewer(updates)
    viewer.rewind.step(-1)
    viewer.tick(3)

    assert viewer.past is None
    assert len(viewer.said) == 1
    assert viewer.said[0].startswith("This run has ")


def test_an_empty_source_has_no_past():
    """Before anything has arrived every movement says so."""
    viewer = Viewer()
    viewer.present = EMPTY_SNAPSHOT
    viewer.tick()
    for move in (viewer.rewind.go_to_start, lambda: viewer.rewind.go_to_text("3"), viewer.rewind.has_past):
        move()

    assert viewer.said == ["This run has no updates yet, and so no past."] * 3


def test_playing_shows_one_update_after_the_other():
    """A second of the run is a second; at the end it is the present."""
    viewer = Viewer(updates=10)
    viewer.rewind.go_to(AtUpdate(5))
    viewer.tick(3)
    viewer.rewind.toggle_playing(viewer.now_s)
    shown = []
    for _ in range(12):
        viewer.now_s += 0.5
        viewer.tick(2)
        shown.append(viewer.update())

    assert shown == [5, 6, 6, 7, 7, 8, 8, 9, 9, None, None, None]
    assert not viewer.rewind.playhead.playing


def test_playing_begins_where_the_viewer_is():
    """Nothing is said, although the position is the same at first."""
    viewer = Viewer()
    viewer.rewind.go_to(AtUpdate(40))
    viewer.tick(2)
    viewer.rewind.toggle_playing(viewer.now_s)
    viewer.tick(2)

    assert viewer.rewind.playhead.playing
    assert viewer.update() == 40
    assert viewer.said == []


def test_playing_faster_skips_updates_when_it_must():
    """At the highest speed it reaches the present at once."""
    viewer = Viewer()
    viewer.rewind.go_to_start()
    viewer.tick(3)
    for _ in range(20):
        viewer.rewind.change_speed(2)
    viewer.rewind.toggle_playing(viewer.now_s)
    viewer.now_s += 0.2
    viewer.tick(2)

    assert viewer.past is None


def test_ten_thousand_marks_are_passed_one_by_one():
    """Each press goes to the next one."""
    viewer = Viewer(updates=12_000, marks=range(1, 10_001))
    viewer.rewind.go_to(AtUpdate(11_000))
    viewer.tick(3)
    for expected in (10_000, 9_999, 9_998):
        viewer.rewind.go_to_mark(-1)
        viewer.tick(3)
        assert viewer.update() == expected
