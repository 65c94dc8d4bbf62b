"""Tests of esper_tui.pages.ranks_page: the numbers of one rank beside those of the run."""

import pytest
from msgspec import structs

from esper_schemas.snapshot import RankState
from esper_tui.pages.ranks_page import WIDE, rank_entries
from esper_tui.view.view import View

OWN = {
    "policy_loss": -1.215,
    "value_loss": 0.5,
    "entropy": 3.25,
    "kl_divergence": 0.5,
    "clip_fraction": 0.75,
    "explained_variance": -0.25,
    "grad_norm": 4.5,
    "mean_return": -2.5,
    "steps_per_second": 321.0,
    "update_time_ms": 45.6,
    "env_steps_total": 777,
}


@pytest.fixture
def details_of(make_feed, make_snapshot, now, text):
    """The details of the second of some ranks."""

    def make(*ranks, width=60):
        snapshot = structs.replace(make_snapshot(), ranks=ranks)
        *_, entry = rank_entries(View(make_feed(snapshot), now), width)
        return text(entry.details(width))

    return make


def rank(number, **fields):
    """A rank after 17 updates."""
    return RankState(**{"producer": f"trainer:{number}", "rank": number, "last_update": 17} | fields)


def test_the_details_are_the_numbers_of_the_rank_and_of_the_run(details_of):
    """The left column is the rank's own, the right one is merged."""
    rows = [line.rsplit(None, 2) for line in details_of(rank(0), rank(1, **OWN))[:13]]
    own = {label: value for label, value, _ in rows[1:]}

    assert details_of(rank(0), rank(1, **OWN))[0].split() == ["rank", "1", "run"]
    assert rows[1] == ["Update", "17", "17"]
    assert rows[2] == ["P.Loss", "-1.215", "0.029"]
    assert list(own.values())[1:] == [
        "-1.215", "0.500", "3.250", "0.5000", "0.750", "-0.250", "4.500", "-2.500", "777", "321", "45.6"
    ]  # fmt: skip
    assert own["Mean return"] == "-2.500"


def test_all_numbers_are_in_two_columns_where_there_is_room(details_of):
    """The second column has titles, too; no number is lost."""
    narrow, wide = (details_of(rank(0), rank(1, **OWN), width=width) for width in (WIDE - 1, WIDE))

    assert wide[0].split() == ["rank", "1", "run"] * 2
    assert wide.index("") == 8
    assert sorted(" ".join(narrow[1:14]).split()) == sorted(" ".join(wide[1:8]).split())


def test_a_single_rank_is_the_run(details_of):
    """There is one column of numbers."""
    lines = details_of(rank(0, **OWN))

    assert lines[0].split() == ["rank", "0"]
    assert lines[1].split() == ["Update", "17"]


def test_a_rank_that_is_left_behind_says_so(details_of):
    """From ten updates on it has no part in the means."""
    near = " ".join(details_of(rank(0), rank(1, last_update=8)))
    far = " ".join(details_of(rank(0), rank(1, last_update=7)))

    assert "behind and has no part" not in near
    assert "10 updates behind and has no part in the run's means" in far


def test_the_details_name_process_and_host_and_explain_the_mark(details_of):
    """They come after the numbers."""
    said = " ".join(details_of(rank(1, pid=12, host="node-3", events=5), width=116))

    assert "Process 12 on node-3, 5 events." in said
    assert "for which the others wait" in said
