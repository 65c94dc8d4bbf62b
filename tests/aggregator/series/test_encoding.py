"""Arrays are encoded without loss."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_aggregator.series.encoding import (
    decode_integers,
    decode_mask,
    encode_integers,
    fits_float32,
    shuffled,
    unshuffled,
)

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.one_of(INT64, st.integers(-300, 300))))
def test_integers_are_those_that_were_encoded(values):
    """Differences may be larger than an integer; they wrap around."""
    array = np.array(values, dtype=np.int64)

    assert decode_integers(encode_integers(array), len(values)).tolist() == values


@pytest.mark.parametrize(("step", "size"), [(0, 17), (7, 17), (2**40, 17)])
def test_equal_differences_take_no_room(step, size):
    """Updates that count by one are two numbers."""
    assert len(encode_integers(np.arange(1000, dtype=np.int64) * step)) == size


def test_small_differences_take_a_byte_each():
    """The first value takes eight."""
    values = np.cumsum([5, 100, -100, 3] * 100, dtype=np.int64)

    assert len(encode_integers(values)) == 1 + 8 + 399


@pytest.mark.parametrize("damage", [b"", b"\1" + bytes(8), b"\1" + bytes(10), b"\3" + bytes(30), b"\1\2"])
def test_bytes_that_are_not_the_integers_are_refused(damage):
    """Damage that a checksum did not find is an error and not other numbers."""
    with pytest.raises((ValueError, IndexError)):
        decode_integers(damage, 2 if damage else 1)


@given(st.lists(st.floats(allow_nan=True, allow_subnormal=True)))
def test_floats_are_shuffled_bit_for_bit(values):
    """NaN, infinity and the sign of zero remain."""
    array = np.array(values, dtype=np.float64)

    assert unshuffled(shuffled(array), "<f8").tobytes() == array.tobytes()


def test_what_float32_cannot_represent_does_not_fit():
    """Neither a number that is too large for it nor one with more digits does."""
    values = np.array([0.5, np.nan, -np.inf, -0.0, 1e-45, 1e39, 0.1, 1e-320, 16777217.0])

    assert fits_float32(values).tolist() == [True, True, True, True, False, False, False, False, False]


@given(st.lists(st.booleans()))
def test_masks_are_those_that_were_encoded(bits):
    """The last byte may have fewer bits."""
    mask = np.array(bits, dtype=np.bool_)

    assert decode_mask(np.packbits(mask).tobytes(), len(bits)).tolist() == bits
