"""The state of the fold as bytes, for checkpoints. What is encoded follows from what its classes declare."""

import re
from collections import deque
from dataclasses import MISSING, fields
from functools import cache
from types import GenericAlias
from typing import Any, get_args, get_origin
from zlib import crc32

import msgspec

from esper_aggregator.fold.fold import FOLD_VERSION
from esper_aggregator.fold.run_state import ProducerState, RunState
from esper_schemas.events import EVENT_TYPES
from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.rules.bounded_watches import bounded_watches
from esper_schemas.snapshot import SanctumSnapshot

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@cache
def fold_fingerprint() -> int:
    """Return a number that differs between versions in which the same events may fold to another state."""
    declared = msgspec.inspect.multi_type_info([RunState, SanctumSnapshot, *EVENT_TYPES])
    text = repr((FOLD_VERSION, declared, list(bounded_watches(QUANTITIES))))
    return crc32(_ADDRESS.sub("", text).encode())


def encode_state(state: RunState) -> bytes:
    """Encode a state; equal states give equal bytes."""
    return _encoder.encode(state)


def decode_state(data: bytes) -> RunState:
    """Decode a state. Raises `msgspec.MsgspecError`, or another error that damaged bytes cause."""
    state = _decoder.decode(data)
    _restore_limits(state)
    for producer in state.producers.values():
        _restore_limits(producer)
    return state


def _encode(value: Any) -> Any:
    if isinstance(value, deque):
        return list(value)
    raise NotImplementedError(f"{type(value).__name__} cannot be encoded")


def _decode(declared: Any, value: Any) -> Any:
    if get_origin(declared) is deque:
        return deque(msgspec.convert(value, GenericAlias(list, get_args(declared))))
    raise NotImplementedError(f"{declared} cannot be decoded")


def _restore_limits(part: RunState | ProducerState) -> None:
    """Give the deques of a part the maximum lengths that its class declares."""
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, deque) and field.default_factory is not MISSING:
            limited = field.default_factory()
            limited.extend(value)
            setattr(part, field.name, limited)


_encoder = msgspec.msgpack.Encoder(enc_hook=_encode)
_decoder = msgspec.msgpack.Decoder(RunState, dec_hook=_decode)
