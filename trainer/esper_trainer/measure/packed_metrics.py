"""The metrics of an update by payload field, with a schema derived from the catalogue.

A metric has a value and says whether it was measured, so that "not measured" and "not finite" remain
distinct.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args, get_type_hints

import torch
from torch import Tensor

from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import CATALOGUE, HEAD_FAMILIES, head_field
from esper_schemas.metrics.metric import TelemetryLevel
from esper_schemas.payload import PPOUpdatePayload
from esper_trainer.device.host_transfer import pack

HOST_FIELDS = frozenset({"learning_rate", "entropy_coefficient", "update_time_ms", "rollout_time_ms"})
"""Payload fields that are known on the host."""

FINAL_FIELDS = (
    "kl_final",
    "joint_kl_final",
    "clip_fraction_final",
    "ratio_max_final",
    "joint_ratio_max_final",
)
"""Payload fields about the policy after an update: not every update measures them."""


class MeasuredValue(NamedTuple):
    """A value, 0-d or [8], and whether it was measured (bool, same shape)."""

    value: Tensor
    measured: Tensor


def measured_value(value: Tensor) -> MeasuredValue:
    """A value that is always measured."""
    return MeasuredValue(value, torch.ones_like(value, dtype=torch.bool))


def average(total: Tensor, count: Tensor) -> MeasuredValue:
    """A total divided by a count; not measured where the count is 0."""
    return MeasuredValue(total / count.clamp_min(1.0), (count > 0).expand_as(total))


class UpdateMetrics(NamedTuple):
    """The metrics of one update by payload field: plain fields, and families with one field per head."""

    fields: dict[str, MeasuredValue]
    families: dict[str, MeasuredValue]


class PackedSchema(NamedTuple):
    """The metrics of a level: plain payload fields, then the families of fields per head."""

    plain: tuple[str, ...]
    families: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The payload field of each metric."""
        return self.plain + tuple(head_field(head, family) for family in self.families for head in HEADS)


def _schema(level: TelemetryLevel) -> PackedSchema:
    measured = {name: field for name, field in CATALOGUE.items() if field.metric.level <= level}
    return PackedSchema(
        tuple(
            name
            for name, field in measured.items()
            if field.head is None and name not in HOST_FIELDS and name not in FINAL_FIELDS
        ),
        tuple(family for family in HEAD_FAMILIES if head_field(HEADS[0], family) in measured),
    )


SCHEMAS: dict[TelemetryLevel, PackedSchema] = {level: _schema(level) for level in TelemetryLevel}
"""The metrics of an update at each telemetry level."""

_WHOLE_NUMBERS = frozenset(
    name for name, hint in get_type_hints(PPOUpdatePayload).items() if int in get_args(hint)
)


def payload_of(metrics: UpdateMetrics, level: TelemetryLevel, host: Mapping[str, float]) -> PPOUpdatePayload:
    """The payload with the metrics of a level, which are on the host, and the `HOST_FIELDS`.

    Metrics of higher levels are left out. Raises KeyError for a field that is missing or unknown.
    """
    schema = SCHEMAS[level]
    columns = list(_columns(metrics, schema))
    values, measured = (pack(part).tolist() for part in zip(*columns, strict=True))
    payload: dict[str, Any] = {
        name: int(value) if name in _WHOLE_NUMBERS else value
        for name, value, known in zip(schema.names, values, measured, strict=True)
        if known
    }
    known = {name: value for name, value in host.items() if CATALOGUE[name].metric.level <= level}
    return PPOUpdatePayload(**{**payload, **known})


def _columns(measurements: UpdateMetrics, schema: PackedSchema) -> Iterator[MeasuredValue]:
    everything = SCHEMAS[max(TelemetryLevel)]
    unknown = measurements.fields.keys() - set(everything.plain)
    unknown |= measurements.families.keys() - set(everything.families)
    if unknown:
        raise KeyError(f"no payload field for {sorted(unknown)}")
    yield from (measurements.fields[name] for name in schema.plain)
    yield from (measurements.families[family] for family in schema.families)


def pack_final(fields: Mapping[str, MeasuredValue]) -> Tensor:
    """Pack the `FINAL_FIELDS` as float32 [2, F]: the values, and 1 where they were measured."""
    columns = [fields[name] for name in FINAL_FIELDS]
    return torch.stack((pack(c.value for c in columns), pack(c.measured for c in columns)))


def unpack_final(packed: Tensor) -> dict[str, float]:
    """Decode the `FINAL_FIELDS` that were measured, on the host."""
    values, measured = packed.tolist()
    return {name: value for name, value, known in zip(FINAL_FIELDS, values, measured, strict=True) if known}
