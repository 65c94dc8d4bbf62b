"""Tests of esper_tui.charts.curve."""

import math

from tests.tui.list_history import ListHistory, counts, doubles

from esper_schemas.history import Column, Series, SeriesQuestion
from esper_tui.charts.curve import curve_of_values, curves_of


def asked(values, points=1000):
    """The curve of a metric with these values."""
    history = ListHistory({"entropy": values})
    history.ask(SeriesQuestion(metrics=("entropy",), points=points))
    ((_, answer),) = history.answers()
    return curves_of(answer)["entropy"]


def test_an_answer_is_read_as_numbers():
    """Every column has one number for each bucket."""
    curve = asked([1.0, 3.0, math.nan, 5.0], points=2)
    assert list(curve.x) == [0.0, 2.0]
    assert list(curve.minimum) == [1.0, 5.0]
    assert list(curve.mean) == [2.0, 5.0]
    assert list(curve.maximum) == [3.0, 5.0]
    assert list(curve.measured) == [2, 2]
    assert list(curve.not_finite) == [0, 1]


def test_numbers_without_a_counterpart_are_left_out():
    """Columns of different lengths, and an incomplete last number, do not disturb the others."""
    column = Column(
        metric="a",
        minimum=doubles([1.0, 2.0]) + b"\0\0\0",
        mean=doubles([1.0]),
        maximum=doubles([1.0, 2.0, 3.0]),
        last=doubles([1.0, 2.0]),
        measured=counts([1, 1]),
        not_finite=counts([0, 0]),
    )
    curve = curves_of(Series(x=doubles([0.0, 1.0, 2.0]), axis="update", columns=(column,)))["a"]
    assert [len(numbers) for numbers in curve[1:8]] == [1] * 7


def test_a_part_of_a_curve_includes_both_ends():
    """The places are those at which buckets start."""
    part = asked([0.0, 1.0, 2.0, 3.0]).within(1.0, 2.0)
    assert list(part.x) == [1.0, 2.0]
    assert list(part.mean) == [1.0, 2.0]
    assert list(part.measured) == [1, 1]


def test_the_bucket_at_a_place_is_the_last_measured_one_before_it():
    """A place before all values has the first one; without a value there is none."""
    curve = asked([None, 1.0, None, 3.0])
    assert [curve.bucket_at(x) for x in (0.0, 1.0, 2.5, 3.0, 9.0)] == [1, 1, 1, 3, 3]
    assert asked([None, None]).bucket_at(1.0) is None


def test_the_range_leaves_out_what_is_not_finite():
    """A curve without a finite value has none."""
    assert asked([math.nan, 2.0, math.inf, -1.0]).finite_range() == (-1.0, 2.0)
    assert asked([math.nan, None]).finite_range() is None


def test_single_values_are_a_curve_that_ends_at_a_place():
    """A missing value differs from one that is NaN."""
    curve = curve_of_values("a", (None, math.nan, 2.0), 7.0)
    assert list(curve.x) == [5.0, 6.0, 7.0]
    assert list(curve.measured) == [0, 1, 1]
    assert list(curve.not_finite) == [0, 1, 0]
    assert curve.finite_range() == (2.0, 2.0)
