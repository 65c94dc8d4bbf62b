"""The remaining ranks find out which ranks are lost."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from torch.distributed import HashStore

from esper_trainer.ranks import lost_ranks as module
from esper_trainer.ranks.lost_ranks import find_missing_ranks, rank_lost_error


class GoneStore(HashStore):
    """A store whose host process is gone."""

    def set(self, key, value):
        """Fail like a broken connection."""
        raise RuntimeError("Broken pipe")


def call(store, world_size, remaining):
    """The missing ranks, as each of the remaining ranks finds them."""
    with ThreadPoolExecutor(world_size) as pool:
        return list(pool.map(lambda rank: find_missing_ranks(store, rank, world_size), remaining))


@pytest.mark.parametrize("gone", range(3))
def test_all_remaining_ranks_find_the_lost_one(gone):
    """This holds for each of three ranks, rank 0 included."""
    remaining = [rank for rank in range(3) if rank != gone]

    assert call(HashStore(), 3, remaining) == [(gone,)] * 2


def test_ranks_that_do_not_answer_in_time_are_lost(monkeypatch):
    """Two of four ranks do not answer within `ANSWER_S`."""
    monkeypatch.setattr(module, "ANSWER_S", 0.3)

    assert call(HashStore(), 4, [0, 2]) == [(1, 3)] * 2


def test_rank_0_is_lost_if_the_store_is_gone():
    """Rank 0 hosts the store."""
    assert call(GoneStore(), 3, [1, 2]) == [(0,)] * 2


@pytest.mark.parametrize(
    ("missing", "silent_s", "words"),
    [
        ((1,), None, "Rank 1 of 4 is gone."),
        ((1, 2), None, "Ranks 1 and 2 of 4 are gone."),
        ((1,), 300.0, "Rank 1 of 4 is gone or stuck: no response for 300 s."),
    ],
)
def test_the_message_names_the_lost_ranks(missing, silent_s, words):
    """It also has the seconds of silence, if the connection was not closed."""
    assert str(rank_lost_error(missing, 3, 4, silent_s)) == words


def test_the_first_remaining_rank_reports():
    """The other ranks do not."""
    reporter = [rank_lost_error((0, 2), rank, 4, None).reporter for rank in (1, 3)]

    assert reporter == [True, False]


def test_a_rank_that_was_left_behind_reports_it():
    """No rank is missing, but all others stopped waiting for it."""
    error = rank_lost_error((), 2, 3, None)

    assert error.reporter
    assert "stopped waiting" in str(error)
