"""Events and snapshots round-trip through bytes; bytes that are not an event are kept as `Undecodable`."""

import json
import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esper_schemas.codec import (
    decode_event,
    decode_snapshot,
    encode_event,
    encode_snapshot,
    kind_of,
    to_json,
)
from esper_schemas.event_text import describe
from esper_schemas.events import (
    EVENT_TYPES,
    EpisodeCompleted,
    PPOUpdateCompleted,
    Undecodable,
    Unknown,
)
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.snapshot import (
    EMPTY_SNAPSHOT,
    SNAPSHOT_VERSION,
    LinkHealth,
    RankState,
    SanctumSnapshot,
)
from esper_schemas.state import TamiyoState

st.register_type_strategy(int, st.integers(-(2**63), 2**64 - 1))  # what msgpack can hold
GOLDEN = Path(__file__).parent / "golden"
KINDS_OF_0_1_0 = 16
"""Kinds of events in the first version; later ones come after them."""


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda event_type: event_type.__name__)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_any_event_round_trips_and_can_be_described(event_type, data):
    """Decoding gives the encoded event, even with NaN and infinities, and `describe` gives a text for it."""
    event = data.draw(st.from_type(event_type))
    decoded = decode_event(encode_event(event))

    assert encode_event(decoded) == encode_event(event)
    assert type(decoded) is event_type
    assert isinstance(describe(decoded), str)


def test_an_event_is_a_self_describing_map():
    """Other tools can read it without this package: its keys are names, and its kind is under "type"."""
    raw = encode_event(EpisodeCompleted(environment=3, episode=1, episode_return=2.5, length=64))

    assert msgspec.msgpack.decode(raw) == {
        "type": "EpisodeCompleted",
        "environment": 3,
        "episode": 1,
        "episode_return": 2.5,
        "length": 64,
    }


def test_three_kinds_of_values_are_distinguished():
    """Values that are measured, not measured or not finite round-trip."""
    payload = PPOUpdatePayload(policy_loss=math.nan, value_loss=math.inf, entropy=None, grad_norm=0.0)
    decoded = decode_event(encode_event(PPOUpdateCompleted(update=1, payload=payload)))

    assert isinstance(decoded, PPOUpdateCompleted)
    assert math.isnan(decoded.payload.policy_loss)
    assert decoded.payload.value_loss == math.inf
    assert decoded.payload.entropy is None
    assert decoded.payload.grad_norm == 0.0


def test_an_unknown_kind_is_kept():
    """An event of a newer version is `Unknown`, with its kind and its bytes."""
    raw = msgspec.msgpack.encode({"type": "TeapotBoiled", "temperature": 100.0})
    event = decode_event(raw)

    assert event == Unknown(kind="TeapotBoiled", raw=raw)
    assert kind_of(event) == "TeapotBoiled"


def test_unknown_fields_of_a_known_kind_are_ignored():
    """An extra field of a newer version does not make its events unreadable."""
    known = {"type": "EpisodeCompleted", "environment": 0, "episode": 1, "episode_return": 0.5, "length": 8}

    assert isinstance(decode_event(msgspec.msgpack.encode({**known, "mood": "good"})), EpisodeCompleted)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xc1",
        b"not msgpack",
        msgspec.msgpack.encode({"type": "EpisodeCompleted", "environment": "three"}),
        msgspec.msgpack.encode({"type": 7}),
        msgspec.msgpack.encode([1, 2, 3]),
        b"\x81\xa4type\xa4\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\xdf\xff\xff\xff\xff",
    ],
    ids=["empty", "reserved", "text", "wrong type", "tag not text", "list", "not utf-8", "bomb", "huge map"],
)
def test_what_is_not_an_event_is_kept_as_undecodable(raw):
    """Damaged or hostile bytes give an event with the bytes and a reason, and no exception."""
    event = decode_event(raw)

    assert isinstance(event, Undecodable)
    assert event.raw == raw
    assert event.reason


@given(st.binary(max_size=200))
def test_decoding_is_total(raw):
    """No bytes raise an exception."""
    decode_event(raw)


def test_snapshots_round_trip_byte_for_byte():
    """Decoding and encoding again gives the same bytes."""
    snapshot = SanctumSnapshot(
        tamiyo=TamiyoState(ppo_data_received=True, policy_loss=math.nan, policy_loss_history=(1.0, None))
    )
    raw = encode_snapshot(snapshot)

    assert encode_snapshot(decode_snapshot(raw)) == raw
    assert decode_snapshot(encode_snapshot(EMPTY_SNAPSHOT)) == EMPTY_SNAPSHOT


def test_json_writes_what_is_not_finite_as_words_and_what_was_not_measured_as_null():
    """JSON has no NaN, and null means that a value was not measured."""
    text = to_json(TamiyoState(policy_loss=math.nan, value_loss=-math.inf, entropy=None))
    values = json.loads(text)

    assert values["policy_loss"] == "NaN"
    assert values["value_loss"] == "-Infinity"
    assert values["entropy"] is None
    assert values["head_op_ratio_max"] == 1.0  # defaults are written too


@pytest.mark.parametrize("path", sorted((GOLDEN / "snapshots").glob("*.msgpack")), ids=lambda path: path.stem)
def test_snapshots_of_every_released_version_are_still_read(path):
    """Fields that an older aggregator did not have get their defaults."""
    snapshot = decode_snapshot(path.read_bytes())

    assert snapshot.version == SNAPSHOT_VERSION
    assert snapshot.events_folded >= KINDS_OF_0_1_0
    assert snapshot.tamiyo.ppo_data_received
    assert snapshot.ranks[0].updates == 1
    assert snapshot.episodes == EMPTY_SNAPSHOT.episodes


def test_what_a_newer_version_adds_is_ignored():
    """Unknown fields are ignored at every depth of an event and of a snapshot."""
    payload = {"policy_loss": 0.5, "head_mood_entropy": 1.0}
    event = {
        "type": "PPOUpdateCompleted",
        "update": 3,
        "payload": payload,
        "mood": {"deep": [1, {"er": None}]},
    }
    snapshot = {
        "tamiyo": payload,
        "link": {"gaps": 2, "leaps": 1},
        "ranks": [{"producer": "a", "x": 1}],
        "y": [],
    }
    known = SanctumSnapshot(
        tamiyo=TamiyoState(policy_loss=0.5), link=LinkHealth(gaps=2), ranks=(RankState(producer="a"),)
    )

    assert decode_event(msgspec.msgpack.encode(event)) == PPOUpdateCompleted(
        update=3, payload=PPOUpdatePayload(policy_loss=0.5)
    )
    assert decode_snapshot(msgspec.msgpack.encode(snapshot)) == known


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.msgpack")), ids=lambda path: path.stem)
def test_events_of_every_released_version_are_still_read(path):
    """A file of length-prefixed events, one of each kind, decodes to known events."""
    raw = path.read_bytes()
    kinds = []
    while raw:
        size = int.from_bytes(raw[:4], "little")
        kinds.append(kind_of(decode_event(raw[4 : 4 + size])))
        raw = raw[4 + size :]

    assert len(kinds) >= KINDS_OF_0_1_0
    assert kinds == [event_type.__name__ for event_type in EVENT_TYPES[: len(kinds)]]
