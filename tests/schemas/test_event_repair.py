"""Whatever a training program puts into an event, the event that is recorded can be read."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_schemas import events as e
from esper_schemas.codec import decode_event, encode_event_into, encode_refused_event_into
from esper_schemas.declarations import HeadSpec
from esper_schemas.event_repair import LeftOut, repaired
from esper_schemas.metrics.catalogue import CATALOGUE
from esper_schemas.payload import HeadMeasures, PPOUpdatePayload

np = pytest.importorskip("numpy")

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.decimals(),
    st.fractions(),
    st.complex_numbers(),
    st.floats(width=32).map(np.float32),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
    st.builds(object),
)
HOSTILE = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(sorted(CATALOGUE))


def encoded(event):
    """The event as a training thread encodes it."""
    buffer = bytearray()
    try:
        encode_event_into(event, buffer)
    except Exception:
        buffer.clear()
        encode_refused_event_into(event, buffer)
    return bytes(buffer)


def update(**values):
    """An encoded update with these values, and a value that is always valid."""
    payload = PPOUpdatePayload(**{"value_loss": 0.25, **values})
    return encoded(e.PPOUpdateCompleted(update=3, payload=payload))


@given(st.dictionaries(FIELDS, HOSTILE, max_size=5))
def test_an_update_survives_any_values(values):
    """It can be decoded, and its valid values are in it; others are named."""
    repair = repaired(update(**values))
    event = decode_event(repair.data)

    assert event.update == 3
    if "value_loss" not in values:
        assert event.payload.value_loss == 0.25
    for name, value in values.items():
        recorded = getattr(event.payload, name)
        if type(value) is float:
            assert recorded == value or (math.isnan(recorded) and math.isnan(value))
        if isinstance(value, str | bytes | list | dict | complex):
            assert f"payload.{name}" in {left.field for left in repair.left_out}


@given(st.dictionaries(st.text(), HOSTILE, max_size=5))
def test_the_settings_of_a_run_can_be_anything(config):
    """Every one that is not nested too deep is recorded, as a number or as text."""
    repair = repaired(encoded(e.RunStarted(task="t", config=config)))

    event = decode_event(repair.data)
    assert len(event.config) <= len(config)
    assert event.task == "t"


def test_a_valid_event_is_not_touched():
    """The bytes are the same."""
    raw = update(policy_loss=-0.5)

    assert repaired(raw) == (raw, ())


@pytest.mark.parametrize(
    ("name", "value", "recorded"),
    [
        ("clip_fraction", True, 1.0),  # a share
        ("return_variance_low", np.bool_(False), 0.0),  # a flag
        ("epochs_completed", np.float32(4.0), 4),
        ("policy_loss", 3, 3.0),
        ("kl_divergence", 2**70, 2.0**70),
    ],
)
def test_a_number_of_another_type_is_converted(name, value, recorded):
    """Nothing is left out."""
    repair = repaired(update(**{name: value}))
    event = decode_event(repair.data)

    assert getattr(event.payload, name) == recorded
    assert repair.left_out == ()


@pytest.mark.parametrize(
    ("name", "value", "described"),
    [
        ("kl_divergence", True, "a flag"),
        ("kl_divergence", "0.1", "text"),
        ("kl_divergence", [0.1], "a list"),
        ("kl_divergence", {"a": 1}, "a map"),
        ("kl_divergence", b"0.1", "bytes"),
        ("kl_divergence", 10**400, "text"),
        ("epochs_completed", 2.5, "the number 2.5"),
        ("epochs_completed", 1e300, "the number 1e+300"),
    ],
)
def test_a_value_that_is_not_a_number_is_left_out_and_named(name, value, described):
    """The rest of the update is recorded."""
    repair = repaired(update(**{name: value}))

    assert getattr(decode_event(repair.data).payload, name) is None
    assert repair.left_out == (LeftOut("PPOUpdateCompleted", f"payload.{name}", described),)


def test_a_missing_value_is_not_reported():
    """None means "not measured", also where the field has another default."""
    repair = repaired(update(policy_loss=None))

    assert repair.left_out == ()
    assert decode_event(repair.data).payload.value_loss == 0.25


def test_maps_keep_their_valid_items():
    """Each invalid one is named."""
    decision = e.DecisionMade(
        update=1,
        environment=0,
        step=1,
        choices={"op": np.int64(2), "slot": "left"},
        confidences={"op": "high"},
    )
    repair = repaired(encoded(decision))
    event = decode_event(repair.data)

    assert (event.choices, event.confidences) == ({"op": 2}, {})
    assert [left.field for left in repair.left_out] == ["choices.slot", "confidences.op"]


def test_names_of_any_type_become_text():
    """A map may have numbers as names."""
    decision = e.DecisionMade(
        update=1, environment=0, step=1, choices={1: 2, None: 3}, confidences={2: "high"}
    )
    repair = repaired(encoded(decision))

    assert decode_event(repair.data).choices == {"1": 2, "None": 3}
    assert [left.field for left in repair.left_out] == ["confidences.2"]


@given(
    st.lists(
        st.dictionaries(st.text() | st.integers() | st.none(), HOSTILE, max_size=3), min_size=3, max_size=3
    )
)
def test_maps_of_anything_are_repaired_or_refused(maps):
    """In every kind of map that an event has; nothing is raised."""
    choices, confidences, counts = maps
    for event in (
        e.DecisionMade(update=1, environment=0, step=1, choices=choices, confidences=confidences),
        e.LogRecorded(level="info", message="m", fields=choices),
        e.EventsDropped(count=1, first_ns=1, last_ns=2, by_kind=counts),
        e.LayerGradientsSampled(update=1, grad_norms=confidences, magnitudes=counts),
    ):
        assert type(decode_event(repaired(encoded(event)).data)) is type(event)


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xc1", encoded(e.PPOUpdateCompleted(update="three", payload=PPOUpdatePayload()))],
    ids=["empty", "not msgpack", "without its number"],
)
def test_an_event_without_a_required_value_is_refused(raw):
    """It says nothing that a reader could use."""
    assert repaired(raw).data is None


def test_a_head_with_invalid_fields_costs_only_itself():
    """The others are declared, and what was left out is named."""
    heads = (HeadSpec("move", np.int64(5)), HeadSpec("aim", "many"), {"size": 3}, None, 7)
    repair = repaired(encoded(e.RunStarted(task="t", heads=heads)))

    assert decode_event(repair.data).heads == (HeadSpec("move", 5), HeadSpec("aim"))
    assert [(left_out.field, left_out.value) for left_out in repair.left_out] == [
        ("heads[1].size", "text"),
        ("heads[2]", "a map"),
        ("heads[4]", "the number 7"),
    ]


@given(st.lists(HOSTILE, max_size=4), st.dictionaries(st.text(), HOSTILE, max_size=4))
def test_any_declared_and_measured_heads_leave_an_event_that_can_be_read(declared, measured):
    """A run begins and an update is recorded, whatever was given for their heads."""
    started = repaired(encoded(e.RunStarted(task="t", heads=declared)))
    heads = {name: HeadMeasures(entropy=value) for name, value in measured.items()}

    assert decode_event(started.data).task == "t"
    assert decode_event(repaired(update(heads=heads)).data).payload.value_loss == 0.25
