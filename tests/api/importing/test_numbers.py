"""Tests of numbers, steps and times in texts and in JSON."""

import math

import pytest

from esper_lite.importing.numbers import absolute_ns, elapsed_seconds, number, step_number

NOON_NS = 1_700_000_000_000_000_000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1.5", 1.5), (" 2 ", 2.0), ("1e-3", 0.001), ("True", 1.0), ("false", 0.0), (True, 1.0), (3, 3.0),
        ("-inf", -math.inf), (10**400, math.inf), (-(10**400), -math.inf),
        ("1_000", None), ("abc", None), ("", None), (None, None), ([1], None), ({}, None),
    ],
)  # fmt: skip
def test_a_number_may_be_a_text_or_a_flag(value, expected):
    """Underscores, texts and lists are not numbers."""
    assert number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("2048", 2048), ("2048.0", 2048), (2**60 + 1, 2**60 + 1), (-1, -1), ("2.5", None), ("nan", None),
     ("inf", None), (1e300, None), ("x", None)],
)  # fmt: skip
def test_a_step_is_a_whole_number(value, expected):
    """An integer keeps all of its digits."""
    assert step_number(value) == expected


@pytest.mark.parametrize(
    "value",
    ["1700000000", 1.7e9, 1_700_000_000_000, "1700000000000000", NOON_NS, "2023-11-14T22:13:20Z",
     "2023-11-14 22:13:20", "2023-11-14T23:13:20+01:00"],
)  # fmt: skip
def test_a_time_has_any_unit(value):
    """Seconds to nanoseconds since 1970 differ by their size; a text without a zone is UTC."""
    assert absolute_ns(value) == NOON_NS


@pytest.mark.parametrize("value", ["12", "nan", "inf", "yesterday", -5, 1e30, None, "9999-99-99", ""])
def test_what_is_not_a_time_is_none(value):
    """Small numbers are seconds since the start."""
    assert absolute_ns(value) is None


def test_small_numbers_are_seconds_since_the_start():
    """Large ones are absolute times."""
    assert (elapsed_seconds("12.5"), elapsed_seconds("1700000000"), elapsed_seconds("x")) == (
        12.5,
        None,
        None,
    )
