"""The packed telemetry row: one float32 tensor per update, with a schema made from the catalogue.

The device fills the row without ever being read; the host decodes a copy of it. Its second line says
what was measured, so that "not measured" and "not finite" stay two things.
"""

from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_type_hints

import torch
from torch import Tensor

from esper_schemas.catalogue import CATALOGUE, HEAD_FAMILIES, head_field
from esper_schemas.heads import HEADS
from esper_schemas.payload import PPOUpdatePayload
from esper_trainer.measurements import Measurement, Measurements
from esper_trainer.packing import pack

HOST_FIELDS = frozenset({"learning_rate", "entropy_coefficient", "update_time_ms"})
"""What the host knows without asking the device."""

_PENDING = frozenset(
    name
    for name in CATALOGUE
    if name.startswith(("td_", "bellman", "lstm_"))
    or name
    in [
        "joint_ratio_mean",
        "joint_ratio_std",
        "log_prob_max",
        "value_min",
        "value_max",
        "value_return_correlation",
        "explained_variance_floored",
        "value_nrmse",
        "return_variance_low",
        "return_p10",
        "return_p50",
        "return_p90",
        "return_skewness",
        "advantage_min",
        "advantage_max",
        "advantage_skewness",
        "advantage_kurtosis",
        "advantage_positive_share",
        "gradient_cv",
        "dead_layers",
        "exploding_layers",
        "value_grad_norm",
        "rollout_time_ms",
    ]
)
"""What no update measures yet."""

PLAIN_FIELDS: tuple[str, ...] = tuple(
    name for name, field in CATALOGUE.items() if field.head is None and name not in HOST_FIELDS | _PENDING
)
FAMILIES: tuple[str, ...] = tuple(family for family in HEAD_FAMILIES if family != "learnable_fraction")
ROW_FIELDS: tuple[str, ...] = PLAIN_FIELDS + tuple(
    head_field(head, family) for family in FAMILIES for head in HEADS
)
"""The payload field of each column."""

_WHOLE_NUMBERS = frozenset(
    name for name, hint in get_type_hints(PPOUpdatePayload).items() if int in get_args(hint)
)


def pack_row(measurements: Measurements) -> Tensor:
    """Lay measurements out as a row float32 [2, F]: the values, and 1 where they were measured.

    Raises KeyError if they are not exactly the fields of the schema.
    """
    columns = list(_columns(measurements))
    values = pack(column.value for column in columns)
    return torch.stack((values, pack(column.measured for column in columns)))


def _columns(measurements: Measurements) -> Iterator[Measurement]:
    unknown = measurements.fields.keys() - set(PLAIN_FIELDS)
    unknown |= measurements.families.keys() - set(FAMILIES)
    if unknown:
        raise KeyError(f"no payload field for {sorted(unknown)}")
    yield from (measurements.fields[name] for name in PLAIN_FIELDS)
    yield from (measurements.families[family] for family in FAMILIES)


def unpack_row(row: Tensor, host: Mapping[str, float]) -> PPOUpdatePayload:
    """Read a row that lies on the host, and add what the host knows (`HOST_FIELDS`)."""
    values, measured = row.tolist()
    columns: dict[str, Any] = {
        name: int(value) if name in _WHOLE_NUMBERS else value
        for name, value, known in zip(ROW_FIELDS, values, measured, strict=True)
        if known
    }
    return PPOUpdatePayload(**{**columns, **host})
