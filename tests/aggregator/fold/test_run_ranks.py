"""One producer stands for each rank, also where a rank was restarted under another name or runs twice."""

from tests.aggregator.fold.ranks import collected, rank_records
from tests.aggregator.fold.validated import fold_all

from esper_aggregator.fold.run_ranks import run_ranks


def ranks_of(*records):
    """The names of the producers that stand for the ranks of a run."""
    ranks = run_ranks(fold_all(record for part in records for record in part))
    return [producer.producer for producer in ranks.started]


def rollouts(first, last):
    """One rollout for each second."""
    return [collected(n, 1.0) for n in range(first, last)]


def test_a_rank_that_was_restarted_under_another_name_is_the_later_process():
    """The first process has been silent since before the second one trained."""
    first = rank_records(0, rollouts(1, 5), producer="b")
    second = rank_records(0, rollouts(5, 9), producer="a", from_s=20)

    assert ranks_of(first, second) == ranks_of(second, first) == ["a"]


def test_the_earlier_process_stands_for_the_rank_until_the_later_one_trains():
    """A process that has only started has no values yet."""
    first = rank_records(0, rollouts(1, 5), producer="b")

    assert ranks_of(first, rank_records(0, [], producer="a", from_s=20)) == ["b"]


def test_of_two_processes_of_one_rank_the_first_one_stays():
    """Which one has sent last does not matter, so that the numbers do not alternate."""
    first = rank_records(0, rollouts(1, 20), producer="b")
    second = rank_records(0, rollouts(1, 19), producer="a", from_s=2)

    assert ranks_of(first, second) == ["b"]
    assert ranks_of(first, second[:-2]) == ["b"]


def test_a_process_that_outlives_the_first_one_replaces_it():
    """They overlapped for 2 seconds; after that the second one trains on."""
    first = rank_records(0, rollouts(1, 6), producer="b")
    second = rank_records(0, rollouts(1, 9), producer="a", from_s=2)

    assert ranks_of(first, second[:4]) == ["b"]
    assert ranks_of(first, second) == ["a"]


def test_ranks_are_in_their_order_and_within_the_world():
    """Those of a larger world have been given up."""
    records = [rank_records(rank, rollouts(1, 3), world_size=2) for rank in (2, 1, 0)]

    assert ranks_of(*records) == ["trainer:0", "trainer:1"]


def test_without_a_world_size_the_lowest_rank_is_the_run():
    """Independent trainers in one run are not merged."""
    records = [rank_records(rank, rollouts(1, 3), world_size=1) for rank in (1, 0)]

    assert ranks_of(*records) == ["trainer:0"]
    assert ranks_of() == []
