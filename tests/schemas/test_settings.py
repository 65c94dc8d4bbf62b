"""Settings describe themselves: which values they accept, and how text is parsed."""

from dataclasses import dataclass
from typing import Annotated

import pytest

from esper_schemas.errors import InvalidArgument
from esper_schemas.settings import MAX_INTEGER, Setting, setting_fields, validate


@dataclass(frozen=True)
class Example:
    """One setting of each kind, and a field that is not a setting."""

    count: Annotated[int, Setting("a count", minimum=1)] = 1
    share: Annotated[float, Setting("a share", minimum=0, maximum=1)] = 0.5
    rate: Annotated[float, Setting("a rate", minimum=0, exclusive=True)] = 1.0
    size: Annotated[str, Setting("a size", choices=("small", "large"))] = "small"
    place: Annotated[str, Setting("a place", pattern=r"[a-z]+:\d+", form="HOST:PORT")] = "here:1"
    switch: Annotated[bool, Setting("a switch")] = False
    limit: Annotated[int | None, Setting("a limit", minimum=0)] = None
    note: str = ""


def test_the_described_fields_are_found_in_their_order():
    """Each has its type, its description and its default."""
    described = setting_fields(Example)

    assert list(described) == ["count", "share", "rate", "size", "place", "switch", "limit"]
    assert [field.kind for field in described.values()] == [int, float, float, str, str, bool, int]
    assert described["rate"].setting.help == "a rate"
    assert described["limit"].default is None


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("count", 0, "must be at least 1, not 0"),
        ("count", MAX_INTEGER + 1, "must be at most 2147483647, not 2147483648"),
        ("count", 1.0, "must be an integer, not 1.0"),
        ("count", True, "must be an integer, not True"),
        ("count", None, "must be an integer, not None"),
        ("count", "1", "must be an integer, not '1'"),
        ("share", -0.1, "must be at least 0, not -0.1"),
        ("share", 1.1, "must be at most 1, not 1.1"),
        ("share", float("nan"), "must be a finite number, not nan"),
        ("share", "half", "must be a number, not 'half'"),
        ("rate", 0.0, "must be greater than 0, not 0.0"),
        ("rate", float("inf"), "must be a finite number, not inf"),
        ("rate", 1e39, "must be within the range of a 32-bit float, not 1e+39"),
        ("rate", 1e-50, "must be within the range of a 32-bit float, not 1e-50"),
        ("size", "huge", "must be one of small, large, not 'huge'"),
        ("size", 3, "must be text, not 3"),
        ("place", "here", "must be HOST:PORT, not 'here'"),
        ("place", "here:1\n", r"must be HOST:PORT, not 'here:1\n'"),
        ("switch", 1, "must be true or false, not 1"),
        ("limit", -1, "must be at least 0, not -1"),
    ],
)
def test_a_value_that_is_not_accepted_is_reported_with_what_is(name, value, problem):
    """`problem` returns a phrase about the field, and `validate` raises it as a sentence."""
    assert setting_fields(Example)[name].problem(value) == problem
    with pytest.raises(InvalidArgument) as error:
        validate(Example(**{name: value}))
    assert str(error.value) == f"{name} {problem}."


def test_an_integer_beyond_the_range_of_floats_is_refused():
    """It is reported as not finite, with its first digits only."""
    problem = setting_fields(Example)["rate"].problem(10**400)

    assert problem.startswith("must be a finite number, not 1000")
    assert len(problem) < 100


def test_bounds_are_accepted_and_so_is_none_where_it_is_the_default():
    """Numbers near the ends of the range of 32-bit floats are accepted too."""
    validate(Example(count=MAX_INTEGER, share=0, rate=1.5e-45, limit=0))
    validate(Example(share=1, rate=3.4e38, limit=None))


@pytest.mark.parametrize(
    ("name", "text", "value"), [("count", "12", 12), ("share", "1e-3", 1e-3), ("size", "large", "large")]
)
def test_a_text_is_parsed_to_a_value(name, text, value):
    """The text is as on a command line."""
    assert setting_fields(Example)[name].parse(text) == value


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("count", "ten", "must be an integer, not 'ten'"),
        ("count", "0", "must be at least 1, not 0"),
        ("count", "9" * 5000, "must be an integer, not '999"),
        ("share", "half", "must be a number, not 'half'"),
        ("size", "huge", "must be one of small, large, not 'huge'"),
    ],
)
def test_a_text_that_is_not_an_accepted_value_is_refused(name, text, problem):
    """The phrase is the same as for a value."""
    with pytest.raises(ValueError, match=r"^must be") as error:
        setting_fields(Example)[name].parse(text)
    assert str(error.value).startswith(problem)
    assert len(str(error.value)) < 100
