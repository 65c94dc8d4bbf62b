"""Two processes that train under one producer name are noticed by the times of their events."""

from tests.aggregator.fold.ranks import collected, finished, rank_records
from tests.aggregator.fold.validated import fold_all

from esper_aggregator.fold import process_overlap
from esper_aggregator.fold.process_overlap import KEPT_SPANS


def processes(*records):
    """The number of processes of a producer at the same time, after these records."""
    state = fold_all(record for part in records for record in part)
    return process_overlap.processes(state.producers["trainer:0"])


def process(epoch, from_s, events=8):
    """A process that collects a rollout every second."""
    return rank_records(0, [collected(n) for n in range(1, events)], from_s=from_s, epoch=epoch)


def by_time(*records):
    """The records of several processes as they arrive when all are connected."""
    return sorted((record for part in records for record in part), key=lambda record: record.emitted_ns)


def test_two_processes_that_train_at_the_same_time_are_two():
    """Their events alternate."""
    assert processes(by_time(process(1, 0), process(2, 3))) == 2


def test_a_restarted_process_is_one():
    """The first one had ended before the second one trained."""
    assert processes(process(1, 0), process(2, 20)) == 1


def test_a_restarted_process_is_one_although_the_spool_of_the_first_arrives_late():
    """The first process had died before its events reached the aggregator."""
    first, second = process(1, 0), process(2, 20)

    assert processes(first[:3], second[:4], first[3:], second[4:]) == 1


def test_a_spool_that_arrives_entirely_after_the_next_process_is_not_a_second_one():
    """The process of the spool is older than the one that has sent all the time."""
    first, second = process(1, 0), process(2, 20)

    assert processes(second[:4], first, second[4:]) == 1


def test_the_end_of_the_first_process_may_have_a_later_time_than_the_start_of_the_second():
    """Clocks of two hosts differ; only training events count, which come some time after the start."""
    first = rank_records(0, [collected(1), finished()], epoch=1)
    second = rank_records(0, [collected(2), collected(3)], from_s=1, epoch=2)

    assert processes(first, second) == 1


def test_a_restart_ends_the_finding():
    """The third process is alone."""
    assert processes(by_time(process(1, 0), process(2, 3)), process(3, 50)) == 1


def test_the_order_in_which_the_events_of_two_processes_arrive_does_not_matter():
    """All of one may arrive before all of the other, as a connection takes its time."""
    first, second = process(1, 0), process(2, 3)

    assert processes(first, second) == processes(second, first) == 2


def test_a_process_between_two_others_is_alone_although_it_arrives_last():
    """The first process had ended and the third one had not begun."""
    assert processes(process(1, 0), process(3, 40), process(2, 20)) == 1


def test_more_than_two_processes_are_counted():
    """Three hosts without a world size."""
    assert processes(by_time(process(1, 0), process(2, 2), process(3, 4))) == 3


def test_the_number_of_remembered_processes_is_limited():
    """A rank that is restarted over and over is remembered by its last processes."""
    state = fold_all(record for epoch in range(1, 30) for record in process(epoch, 20 * epoch))

    assert len(state.producers["trainer:0"].earlier_spans) == KEPT_SPANS
