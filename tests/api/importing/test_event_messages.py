"""Tests of TensorBoard's messages: hand-made ones, and those of the tensorboard package, if installed."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.api.importing.conftest import event, field, scalar, varint

from esper_lite.importing.event_messages import hparams, parse_event, scalar_of_tensor, text_of_tensor
from esper_lite.importing.wire_format import WIRE_ERRORS


def metadata(plugin, content=b""):
    """`SummaryMetadata` that names a plugin."""
    return field(9, field(1, field(1, plugin) + field(2, content)))


def test_an_event_has_a_time_a_step_and_scalars():
    """Values keep the order in which they were written."""
    message = parse_event(event(1700000000.25, -7, scalar("a", 0.5), scalar("b", 2.0)), {})

    assert message == (1700000000.25, -7, [("a", 0.5), ("b", 2.0)], [])


def test_a_tag_is_cut_to_the_length_of_a_name():
    """An event with many of them would be too large to be sent."""
    assert parse_event(event(1.0, 1, scalar("x" * 100_000, 0.5)), {}).scalars == [("x" * 500, 0.5)]


@pytest.mark.parametrize("length", [0, 1, 100, 127, 128, 400])
def test_a_tag_may_have_any_length(length):
    """A length of 128 and more takes two bytes."""
    assert parse_event(event(1.0, 1, scalar("x" * length, 0.5)), {})[2] == [("x" * length, 0.5)]


def test_fields_that_are_not_needed_are_passed_over():
    """A graph, a session log, and fields of a later version."""
    data = field(4, b"graph") + field(7, field(1, 1)) + event(2.0, 3, scalar("a", 1.0)) + field(99, 5)

    assert parse_event(data + field(98, 0.5), {})[:3] == (2.0, 3, [("a", 1.0)])


@pytest.mark.parametrize(
    ("tensor", "number"),
    [
        (field(1, 1) + field(4, struct.pack("<f", 0.25)), 0.25),
        (field(1, 1) + field(5, struct.pack("<f", 0.25)), 0.25),
        (field(1, 1) + b"\x2d" + struct.pack("<f", 0.25), 0.25),
        (field(1, 2) + field(4, struct.pack("<d", -1.5)), -1.5),
        (field(1, 2) + field(6, -1.5), -1.5),
        (field(1, 9) + field(4, struct.pack("<q", -3)), -3.0),
        (field(1, 9) + field(10, -3), -3.0),
        (field(1, 3) + field(7, varint(12)), 12.0),
        (field(1, 10) + field(11, 1), 1.0),
        (field(1, 19) + field(4, struct.pack("<e", 0.5)), 0.5),
        (field(1, 19) + field(13, struct.unpack("<H", struct.pack("<e", 0.5))[0]), 0.5),
        (field(1, 1), 0.0),
        (field(1, 1) + field(4, struct.pack("<2f", 1, 2)), None),
        (field(1, 7) + field(8, "text"), None),
        (b"", None),
    ],
)
def test_a_tensor_with_one_number_is_that_number(tensor, number):
    """It may stand in the raw contents or in the field of its type, packed or not; zero is left out."""
    assert scalar_of_tensor(tensor) == number


def test_the_plugin_of_a_tag_may_come_with_its_first_value_only():
    """TensorFlow 2 writes scalars as tensors."""
    tensor = field(8, field(1, 1) + field(4, struct.pack("<f", 0.25)))
    plugins = {}
    first = parse_event(event(1.0, 1, field(1, "loss") + metadata("scalars") + tensor), plugins)
    second = parse_event(event(1.0, 2, field(1, "loss") + tensor), plugins)
    unknown = parse_event(event(1.0, 2, field(1, "other") + tensor), plugins)

    assert first[2] == second[2] == [("loss", 0.25)]
    assert unknown[2] == []
    assert [other.plugin for other in unknown[3]] == ["tensors"]


def test_other_values_name_their_kind():
    """Histograms, images and texts are not scalars."""
    values = [
        field(1, "h") + field(5, b""),
        field(1, "i") + field(4, b"png"),
        field(1, "t") + metadata("text"),
    ]
    _, _, scalars, others = parse_event(event(1.0, 1, *values), {})

    assert scalars == []
    assert [(other.tag, other.plugin) for other in others] == [
        ("h", "histograms"), ("i", "images"), ("t", "text"),
    ]  # fmt: skip


def test_hyper_parameters_are_numbers_texts_and_flags():
    """They are in the data of a plugin, as a map of `google.protobuf.Value`."""
    entries = [
        ("lr", field(2, 0.5)),
        ("env", field(3, "CartPole")),
        ("norm", field(4, 1)),
        ("x", field(1, 0)),
    ]
    session = b"".join(field(1, field(1, name) + field(2, value)) for name, value in entries)

    assert hparams(field(3, session)) == {"lr": 0.5, "env": "CartPole", "norm": True, "x": None}
    assert text_of_tensor(field(1, 7) + field(8, "a text")) == "a text"


@given(st.binary(max_size=120))
def test_arbitrary_bytes_raise_only_errors_of_the_list(data):
    """The bytes stand for a whole event, and for its summary."""
    for message in (data, field(5, data), field(5, field(1, data))):
        try:
            parse_event(message, {})
        except WIRE_ERRORS:
            continue


def test_the_messages_are_those_of_the_tensorboard_package():
    """An event that its classes write is read the same."""
    event_pb2 = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    written = event_pb2.Event(wall_time=12.5, step=99)
    written.summary.value.add(tag="simple", simple_value=0.25)
    value = written.summary.value.add(tag="tensor")
    value.metadata.plugin_data.plugin_name = "scalars"
    value.tensor.dtype = 2
    value.tensor.double_val.append(0.125)
    written.summary.value.add(tag="histogram").histo.num = 3

    message = parse_event(written.SerializeToString(), {})

    assert message[:3] == (12.5, 99, [("simple", 0.25), ("tensor", 0.125)])
    assert [(other.tag, other.plugin) for other in message[3]] == [("histogram", "histograms")]
