"""Tests of esper_schemas.moment_text: the ways in which a user names a moment."""

import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_schemas.errors import InvalidArgument
from esper_schemas.history import AtEvent, AtTime, AtUpdate, Mark, Marks, Place
from esper_schemas.moment_text import moment_of


@pytest.fixture(autouse=True)
def in_utc(monkeypatch):
    """Times of day are those of UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def ns(text):
    """A UTC time in nanoseconds since 1970."""
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp()) * 1_000_000_000


def mark(update, kind, title, severity=None, rule=""):
    """A mark at an update."""
    return Mark(place=Place(10 * update, update), kind=kind, title=title, severity=severity, rule=rule)


MARKS = Marks(
    Place(3, 1, ns("2026-05-01T23:10:00")),
    Place(500, 50, ns("2026-05-02T01:20:30")),
    (
        mark(5, "checkpoint", "Checkpoint saved"),
        mark(12, "anomaly", "KL divergence 0.231 > 0.1", "critical"),
        mark(15, "finding", "Head op hardly explores", "warning", "head_collapse"),
        mark(30, "finding", "The policy runs away", "critical", "policy_runs_away"),
        mark(40, "checkpoint", "Checkpoint saved"),
    ),
)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("40", AtUpdate(40)),
        (" update:40 ", AtUpdate(40)),
        ("update 40", AtUpdate(40)),
        ("-10", AtUpdate(40)),
        ("update:-49", AtUpdate(1)),
        ("event:120", AtEvent(120)),
        ("Event 0", AtEvent(0)),
        ("0:15", AtTime(ns("2026-05-02T00:15:00"))),
        ("23:30:05", AtTime(ns("2026-05-01T23:30:05"))),
        ("time:23:30", AtTime(ns("2026-05-01T23:30:00"))),
        ("2026-05-01 23:59", AtTime(ns("2026-05-01T23:59:00"))),
        ("time:2026-05-02T01:20:30", AtTime(ns("2026-05-02T01:20:30"))),
        ("mark:first-critical", AtUpdate(12)),
        ("first-critical", AtUpdate(12)),
        ("last critical", AtUpdate(30)),
        ("checkpoint", AtUpdate(5)),
        ("last-checkpoint", AtUpdate(40)),
        ("mark:head_collapse", AtUpdate(15)),
        ("runs AWAY", AtUpdate(30)),
    ],
)
def test_a_moment_is_named_in_several_ways(text, moment):
    """A number is an update, a time of day a time on the last day that has it, other text a mark."""
    assert moment_of(text, MARKS) == moment


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("51", "The run has no update 51; choose one from 1 to 50."),
        ("update:0", "The run has no update 0; choose one from 1 to 50."),
        ("update:-50", "The run has no update 0; choose one from 1 to 50."),
        ("update:+1", "'+1' is not the number of an update; write update:40, for example."),
        ("event:-1", "'-1' is not the number of an event; write event:40, for example."),
        ("update:²", "'²' is not the number of an update; write update:40, for example."),
        ("event:501", "The run has no event 501; choose one from 0 to 500."),
        ("9" * 400, f"The run has no update {1 << 62}; choose one from 1 to 50."),
        (
            "12:30",
            "The run has no time 12:30; choose one from 2026-05-01 23:10:00 to 2026-05-02 01:20:30.",
        ),
        ("25:00", "'25:00' is not a time of any day; write 12:30, for example."),
        ("2026-13-01 12:30", "'2026-13-01 12:30' is not a time of any day; write 12:30, for example."),
        ("time:soon", "'soon' is not a time; write 12:30, 12:30:05 or 2026-05-01 12:30."),
        (
            "mark:nothing",
            "The run has no mark 'nothing'; its marks are anomaly, checkpoint, critical, finding, "
            "head_collapse, policy_runs_away, warning.",
        ),
    ],
)
def test_what_the_run_does_not_have_is_said_in_one_sentence(text, said):
    """The sentence names what there is to choose from."""
    with pytest.raises(InvalidArgument) as error:
        moment_of(text, MARKS)
    assert str(error.value) == said


def test_a_run_without_updates_marks_and_events_has_no_moment():
    """Each kind of moment says so."""
    empty = Marks(Place(0), Place(0))
    for text in ("1", "12:30", "first-critical", "event:1", ""):
        with pytest.raises(InvalidArgument, match=r"^The run has no .*\.$"):
            moment_of(text, empty)


def test_a_minute_in_which_the_run_began_is_its_beginning():
    """A time without seconds means the whole minute."""
    assert moment_of("23:10", MARKS) == AtTime(MARKS.first.time_ns)


@given(st.text())
def test_any_text_is_a_moment_or_is_refused(text):
    """No other error is raised."""
    for prefix in ("", "time:", "update:", "event:", "mark:"):
        try:
            moment_of(prefix + text, MARKS)
        except InvalidArgument:
            continue


@given(st.integers(1, 50))
def test_every_update_can_be_named(update):
    """The number of an update with and without its prefix names the same one."""
    assert moment_of(str(update), MARKS) == moment_of(f"update:{update}", MARKS) == AtUpdate(update)
