"""Who is gone is found out by those that are left, whoever it is."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from torch.distributed import HashStore

from esper_trainer.ranks import lost_ranks as module
from esper_trainer.ranks.lost_ranks import find_missing_ranks, rank_lost_error


class GoneStore(HashStore):
    """A store whose keeper is gone."""

    def set(self, key, value):
        """Fail as a connection does."""
        raise RuntimeError("Broken pipe")


def call(store, world_size, left):
    """Who is missing, as each of those that are left sees it."""
    with ThreadPoolExecutor(world_size) as pool:
        return list(pool.map(lambda rank: find_missing_ranks(store, rank, world_size), left))


@pytest.mark.parametrize("gone", range(3))
def test_all_that_are_left_know_who_is_gone(gone):
    """Without waiting until the time is over, for one is missing at least."""
    left = [rank for rank in range(3) if rank != gone]

    assert call(HashStore(), 3, left) == [(gone,)] * 2


def test_several_are_waited_for_but_not_for_ever(monkeypatch):
    """When the time is over, everybody who has not answered is gone."""
    monkeypatch.setattr(module, "ANSWER_S", 0.3)

    assert call(HashStore(), 4, [0, 2]) == [(1, 3)] * 2


def test_a_store_that_is_gone_was_kept_by_rank_0():
    """So that is who is gone."""
    assert call(GoneStore(), 3, [1, 2]) == [(0,)] * 2


@pytest.mark.parametrize(
    ("missing", "silent_s", "words"),
    [
        ((1,), None, "Rank 1 of 4 is gone."),
        ((1, 2), None, "Ranks 1 and 2 of 4 are gone."),
        ((1,), 300.0, "Rank 1 of 4 is gone or stuck: no response for 300 s."),
    ],
)
def test_the_sentence_names_them(missing, silent_s, words):
    """And says what is known."""
    assert str(rank_lost_error(missing, 3, 4, silent_s)) == words


def test_the_first_remaining_rank_reports():
    """The others know the same."""
    reporter = [rank_lost_error((0, 2), rank, 4, None).reporter for rank in (1, 3)]

    assert reporter == [True, False]


def test_who_was_left_behind_says_so():
    """It was stopped for a while, and all others have given up."""
    error = rank_lost_error((), 2, 3, None)

    assert error.reporter
    assert "stopped waiting" in str(error)
