"""Values of other libraries become numbers, lists or texts, and nothing is raised."""

import datetime
import decimal
import enum
import fractions
import math
from pathlib import Path

import msgspec
import pytest

from esper_schemas.codec import encode_plain
from esper_schemas.plain_values import UNCONVERTIBLE, encodable, plain_value

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")

NUMBERS = {
    "NumPy float64": np.float64(0.5),
    "NumPy float16": np.float16(0.5),
    "NumPy long double": np.longdouble(0.5),
    "NumPy 0-d array": np.array(0.5),
    "NumPy array of one": np.array([[0.5]]),
    "tensor": torch.tensor(0.5),
    "tensor with a gradient": torch.tensor([0.5], requires_grad=True),
    "bfloat16 tensor": torch.tensor(0.5, dtype=torch.bfloat16),
    "fraction": fractions.Fraction(1, 2),
    "decimal": decimal.Decimal("0.5"),
}


class Broken:
    """An object of which nothing works."""

    def __str__(self):
        raise RuntimeError("broken")


class Choice(enum.Enum):
    """A setting."""

    FIRST = "first"


def decoded(value):
    """A value as it is after encoding."""
    return msgspec.msgpack.decode(encode_plain(value))


@pytest.mark.parametrize("value", NUMBERS.values(), ids=NUMBERS)
def test_whatever_is_a_number_becomes_one(value):
    """As a float."""
    assert decoded(value) == 0.5
    assert type(decoded(value)) is float


def test_integers_and_flags_keep_their_type():
    """A field for counts accepts no float."""
    assert type(decoded(np.int64(3))) is int
    assert type(decoded(torch.tensor(3))) is int
    assert decoded(np.bool_(True)) is True


@pytest.mark.parametrize("value", [np.float32("nan"), torch.tensor(math.nan)])
def test_a_number_that_is_not_finite_is_kept(value):
    """It is the most important one of all."""
    assert math.isnan(decoded(value))


def test_other_objects_become_text():
    """Paths, enumerations, classes and dates."""
    assert decoded(Path("/data/run")) == "/data/run"
    assert decoded(Choice.FIRST) == "first"
    assert decoded(dict) == "<class 'dict'>"
    assert decoded(datetime.date(2026, 1, 2)) == "2026-01-02"
    assert decoded(1j) == "1j"


def test_a_short_array_becomes_a_list_and_a_long_one_a_text():
    """A network's weights must not fill a log."""
    assert decoded(np.array([1.0, 2.0])) == [1.0, 2.0]
    assert decoded(torch.ones(2, 2)) == [[1.0, 1.0], [1.0, 1.0]]
    assert len(decoded(np.zeros(10**6))) <= 500


def test_an_object_whose_methods_raise_is_marked():
    """With the name of its type."""
    assert plain_value(Broken()) == msgspec.msgpack.Ext(UNCONVERTIBLE, b"Broken")


@pytest.mark.parametrize(
    ("value", "copy"),
    [
        (2**64, float(2**64)),
        (-(2**63) - 1, -float(2**63)),
        (2**64 - 1, 2**64 - 1),
        ("\ud800x", "?x"),
        ({3: 2**70}, {"3": 2.0**70}),
        ((1, {2}), [1, [2]]),
        (None, None),
    ],
)
def test_what_the_encoder_refuses_has_a_copy_that_it_accepts(value, copy):
    """Values that it accepts are unchanged."""
    assert encodable(value) == copy
    encode_plain(encodable(value))


def test_an_integer_beyond_the_largest_float_becomes_text():
    """It is no number for any reader."""
    assert encodable(10**400) == str(10**400)


def test_a_list_that_contains_itself_has_an_end():
    """What is nested more than eight deep is left out."""
    endless = []
    endless.append(endless)

    encode_plain(encodable(endless))
