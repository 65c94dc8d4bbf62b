"""Tests of esper_tui.panels.events_panel."""

import pytest

from esper_schemas import EVENT_TYPES
from esper_schemas.snapshot import EventEntry, SanctumSnapshot
from esper_tui.panels.events_panel import KIND_WIDTH, NAMES, TONES, events_rows
from esper_tui.text.numbers import time_of_day
from esper_tui.text.spans import Tone


def test_the_last_events_are_shown_oldest_first(make_snapshot, text):
    """The newest event is at the bottom, as in a log."""
    lines = text(events_rows(make_snapshot(), 100, 3))

    assert lines == [
        "22:13:17  update            rank 0: update 17: policy loss 0.025, value loss 0.080, KL 0.0123",
        "22:13:18  stage             rank 0: R0C1 CONV_LIGHT: GERMINATED → TRAINING",
        "22:13:19  anomaly           rank 0: ratio_explosion: head_op_ratio_max 5.123",
    ]


def test_an_anomaly_has_a_tone_of_its_own(make_snapshot, tone_of):
    """Its name has the warning tone."""
    row = events_rows(make_snapshot(), 100, 1)[0]

    assert tone_of(row, "anomaly") is Tone.WARNING


@pytest.mark.parametrize("kind", sorted(TONES))
def test_no_kind_is_distinguished_by_colour_alone(kind, text):
    """Each kind has a name of its own."""
    names = [*NAMES.values(), "undecodable"]
    entry = EventEntry(at_ns=0, producer="p", kind=kind)
    (line,) = text(events_rows(SanctumSnapshot(recent_events=(entry,)), 80, 5))

    assert names.count(line.removeprefix("00:00:00").strip()) == 1


def test_every_kind_with_a_tone_exists():
    """A renamed event type cannot lose its tone unnoticed."""
    known = {kind.__name__ for kind in EVENT_TYPES} | {"Undecodable"}

    assert set(TONES) <= known


def test_every_kind_has_a_short_name(text):
    """A kind of a newer version is shown by its own name."""
    assert set(NAMES) == {kind.__name__ for kind in EVENT_TYPES}
    assert max(map(len, NAMES.values())) <= KIND_WIDTH
    entry = EventEntry(at_ns=0, producer="p", kind="RainFell", text="much")

    assert text(events_rows(SanctumSnapshot(recent_events=(entry,)), 80, 5)) == [
        "00:00:00  rain fell         much"
    ]


def test_texts_from_outside_cannot_disturb_the_terminal(text):
    """Control characters of a log message are replaced, and a long message is cut."""
    entry = EventEntry(at_ns=0, producer="p", kind="LogRecorded", text="a\x1b[2J\nb" + "x" * 5000)
    lines = text(events_rows(SanctumSnapshot(recent_events=(entry,)), 80, 5))

    assert lines[0].startswith("00:00:00  log               a�[2J�bxx")
    assert lines[0].endswith("x…")


def test_an_empty_list_of_events_says_so(text):
    """The panel says `no events yet`."""
    assert text(events_rows(SanctumSnapshot(), 80, 5)) == ["no events yet"]


@pytest.mark.parametrize("at_ns", [-(2**63), 2**64])
def test_impossible_times_raise_nothing(at_ns):
    """The text has its usual width for any integer."""
    assert len(time_of_day(at_ns)) == 8
