"""Tests of distinguishing new events from repeated and missing ones."""

import pytest

from esper_bus.expected_sequence import ExpectedSequence


def test_events_are_taken_in_order_and_once():
    """Only the next number is accepted; a refused one changes nothing."""
    expected = ExpectedSequence(3)

    assert [expected.take(seq) for seq in (2, 4, 3, 3, 4)] == [False, False, True, False, True]
    assert expected.next_seq == 5


@pytest.mark.parametrize(("seq", "missing"), [(3, 0), (5, 0), (6, 1), (9, 4)])
def test_events_before_a_higher_number_are_missing(seq, missing):
    """Those in between are missing; after `skip_to`, the higher number is expected."""
    expected = ExpectedSequence(5)

    assert expected.missing_before(seq) == missing
    assert expected.skip_to(seq) == missing
    assert expected.next_seq == max(5, seq)


@pytest.mark.parametrize(
    ("first", "count", "repeated"), [(2, 2, 2), (3, 4, 2), (5, 2, 0), (8, 3, 0), (0, 9, 5)]
)
def test_the_part_of_a_batch_that_was_taken_is_repeated(first, count, repeated):
    """The count is limited by the size of the batch."""
    assert ExpectedSequence(5).repeated(first, count) == repeated
