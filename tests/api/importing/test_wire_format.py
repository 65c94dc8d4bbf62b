"""Tests of the wire format of protocol buffers, with hand-made messages and arbitrary bytes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.api.importing.conftest import field, varint

from esper_lite.importing import wire_format


def test_a_message_is_its_fields_in_order():
    """Integers, doubles, texts and four bytes, of which only the integers have no length."""
    data = field(1, 300) + field(2, 0.5) + field(40, "name") + b"\x1d" + b"abcd"

    one, two, forty, three = wire_format.fields(data)

    assert one == (1, 300)
    assert (two[0], wire_format.double(two[1])) == (2, 0.5)
    assert (forty[0], wire_format.text(forty[1])) == (40, "name")
    assert three == (3, b"abcd")


@pytest.mark.parametrize("number", [0, 1, -1, 2**63 - 1, -(2**63)])
def test_integers_have_a_sign(number):
    """A negative number takes ten bytes."""
    found, at = wire_format.varint(varint(number), 0)

    assert wire_format.signed(found) == number
    assert at == len(varint(number))


@pytest.mark.parametrize(
    "data",
    [
        b"\x80" * 11,  # an endless varint
        b"\x0a\x05abc",  # a field beyond the end
        b"\x0a" + varint(2**60) + b"abc",
        b"\x0b",  # a group
        b"\x09\x00",  # half a double
        b"\x80",
    ],
)
def test_what_is_not_a_message_is_an_error_of_the_list(data):
    """A reader catches `WIRE_ERRORS` and nothing else."""
    with pytest.raises(wire_format.WIRE_ERRORS):
        list(wire_format.fields(data))


def test_a_value_of_another_type_is_an_error_of_the_list():
    """A double is not an integer, and an integer is not a text."""
    for convert, value in ((wire_format.signed, b"abc"), (wire_format.text, 5), (wire_format.double, b"abc")):
        with pytest.raises(wire_format.WIRE_ERRORS):
            convert(value)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_only_errors_of_the_list(data):
    """Fields that were found are within the data."""
    try:
        found = list(wire_format.fields(data))
    except wire_format.WIRE_ERRORS:
        return
    assert sum(len(value) for _, value in found if isinstance(value, bytes)) <= len(data)


def test_text_that_is_not_utf_8_is_replaced():
    """A tag of another encoding remains readable in part."""
    assert wire_format.text(struct.pack("3s", b"a\xffb")) == "a�b"
