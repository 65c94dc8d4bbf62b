"""A mapping file: which column is the step, which one the time, and what names mean.

step = "global_step"
time = "timestamp"
drop = ["host_id"]

[names]
"Loss" = "value_loss"
"entropy_loss" = { name = "entropy", factor = -1.0 }
"""

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from esper_schemas.errors import InvalidArgument


class Renamed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The name under which values are recorded, and the factor by which they are multiplied."""

    name: str
    factor: float = 1.0


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a mapping file says. Empty names of columns mean that they are found by their usual names."""

    step: str = ""
    time: str = ""
    drop: frozenset[str] = frozenset()
    names: dict[str, str | Renamed] = {}

    def apply(self, values: dict[str, float]) -> dict[str, float]:
        """Return values under the names under which they are recorded."""
        if not self.names and not self.drop:
            return values
        kept = (
            (self.names.get(name, name), value) for name, value in values.items() if name not in self.drop
        )
        return dict(
            (to.name, value * to.factor) if isinstance(to, Renamed) else (to, value) for to, value in kept
        )


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file. Raises `InvalidArgument`, which says what is wrong in it."""
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(table, Mapping)
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, msgspec.ValidationError, RecursionError) as error:
        reason = str(error).splitlines()[0]
    raise InvalidArgument(
        f"The mapping {path} cannot be used: {reason}; it has step, time, drop and a table of names, as "
        "docs/how-to/import-logs.md shows."
    )
