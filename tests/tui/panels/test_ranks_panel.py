"""Tests of esper_tui.panels.ranks_panel."""

import math

import pytest
from msgspec import structs

from esper_schemas.snapshot import (
    RankState,
)
from esper_tui.panels import ranks_panel
from esper_tui.text.spans import Tone, plain


def test_the_straggler_is_marked(make_snapshot, text):
    """It is the rank whose rollouts are clearly slower than those of the others, which wait for it."""
    lines = text(ranks_panel.ranks_rows(make_snapshot(), 70, 6))

    assert [line[0] for line in lines] == [" ", " ", " ", "~", " "]
    assert lines[3].split() == ["~", "2", "host2:2", "16", "9145", "36.4", "3s"]
    assert plain(ranks_panel.ranks_note(make_snapshot())) == "4 of 4"


def test_the_straggler_is_shown_where_not_all_ranks_fit(make_snapshot, text):
    """It is the first row."""
    lines = text(ranks_panel.ranks_rows(make_snapshot(), 70, 3))

    assert lines[1].startswith("~ 2 host2:2")
    assert len(lines) == 3


@pytest.fixture
def marked(make_snapshot):
    """The numbers of the stragglers among ranks that differ in the given fields."""

    def of(*differences, world_size=1):
        states = tuple(
            RankState(
                **({"producer": f"r{n}", "rank": n, "last_update": 9, "last_event_ns": 10**12} | fields)
            )
            for n, fields in enumerate(differences)
        )
        snapshot = structs.replace(make_snapshot(world_size=world_size), ranks=states, recent_events=())
        return [int(rank.producer[1:]) for rank in ranks_panel.stragglers(snapshot)]

    return of


def test_equal_ranks_have_no_straggler(marked):
    """A single rank is not a straggler either."""
    assert marked({}, {}) == marked({}) == marked() == []


@pytest.mark.parametrize("times", [(80, 101), (80, 81, 101), (80, 8, 80, 80, 101)])
def test_a_clearly_slower_rank_is_marked(marked, times):
    """The limit is four fifths of the usual speed of the others; one fast rank does not mark the rest."""
    slowest = len(times) - 1

    assert marked(*({"median_rollout_ms": float(ms)} for ms in times)) == [slowest]
    assert marked(*({"median_rollout_ms": min(ms, 99.0)} for ms in times)) == []


@pytest.mark.parametrize("ms", [None, math.nan, -math.inf])
def test_a_time_that_is_not_a_number_makes_no_straggler(marked, ms):
    """Neither that rank nor another one is marked."""
    assert marked({"median_rollout_ms": 100.0}, {"median_rollout_ms": ms}) == []
    assert marked({"median_rollout_ms": ms}, {"median_rollout_ms": 100.0}) == []


def test_a_rank_that_is_one_update_behind_is_not_marked(marked):
    """Ranks that wait for each other are never two updates apart; a rank that is two behind is marked."""
    assert marked({"last_update": 9}, {"last_update": 8}) == []
    assert marked({"last_update": 9}, {"last_update": 7}) == [1]


def test_update_counts_of_earlier_epochs_mark_no_rank(marked):
    """After a resume the counts may differ for good, because one rank had not sent its last update."""
    assert marked({"updates": 12}, {"updates": 9}) == []


@pytest.mark.parametrize(("seconds", "expected"), [(15, []), (16, [1])])
def test_a_rank_that_is_silent_while_others_continue_is_marked(marked, seconds, expected):
    """It is marked after more than 15 seconds."""
    assert marked({}, {"last_event_ns": 10**12 - seconds * 10**9}) == expected


def test_ranks_that_have_ended_are_ignored(marked):
    """Neither their silence nor their speed marks a rank."""
    assert marked({"last_update": 20}, {"last_update": 9, "outcome": "completed"}) == []
    assert marked({"median_rollout_ms": 50.0, "outcome": "failed"}, {"median_rollout_ms": 100.0}) == []


def test_a_rank_that_continues_under_another_name_replaces_the_first_one(marked):
    """This holds in a world of several ranks; independent trainers may all be rank 0."""
    before = {"rank": 0, "last_update": 2, "last_event_ns": 10**11}

    assert marked(before, {"rank": 0}, {"rank": 1}, world_size=2) == []
    assert marked(before, {"rank": 0}, {"rank": 1}) == [0]


def test_a_missing_rank_is_a_warning(make_snapshot, tone_of):
    """The title shows three of four ranks."""
    three = structs.replace(make_snapshot(), ranks=make_snapshot().ranks[:3])

    assert tone_of(ranks_panel.ranks_note(three), "3 of 4") is Tone.WARNING


def sharing(**fields):
    """A process that trains as rank 0 from second 1 on."""
    times = {"training_since_ns": 10**9, "last_event_ns": 9 * 10**9}
    return RankState(**{"producer": "a", "rank": 0} | times | fields)


def test_processes_that_share_a_rank_are_marked(make_snapshot, text, tone_of):
    """The title counts them, too; neither is true of a rank that was started again under another name."""
    twice = (sharing(), sharing(producer="b", training_since_ns=2 * 10**9), sharing(producer="c", rank=1))
    again = (sharing(), sharing(producer="b", training_since_ns=9 * 10**9), sharing(producer="c", rank=1))
    shared, restarted = (
        structs.replace(make_snapshot(world_size=2), ranks=ranks, recent_events=())
        for ranks in (twice, again)
    )
    lines = text(ranks_panel.ranks_rows(shared, 70, 6))

    assert [line[0] for line in lines] == [" ", "✗", "✗", " "]
    assert plain(ranks_panel.ranks_note(shared)) == "2 of 2, 2 processes share a rank"
    assert tone_of(ranks_panel.ranks_note(shared), ", 2 processes share a rank") is Tone.CRITICAL
    assert plain(ranks_panel.ranks_note(restarted)) == "2 of 2"
    assert not any(line.startswith("✗") for line in text(ranks_panel.ranks_rows(restarted, 70, 6)))


def test_two_processes_of_one_name_are_marked(make_snapshot, text):
    """They are one row, as the screen cannot tell them apart."""
    snapshot = structs.replace(make_snapshot(world_size=1), ranks=(sharing(processes=2),))

    assert text(ranks_panel.ranks_rows(snapshot, 70, 6))[1].startswith("✗")
    assert plain(ranks_panel.ranks_note(snapshot)) == "1 of 1, 2 processes share a rank"
