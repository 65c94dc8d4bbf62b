"""Sorts the values of one call of `log` by what their names mean."""

from dataclasses import dataclass, field

from esper_schemas.aliases import DROPPED, ENV_STEP_NAMES, HEADS_PREFIX, Alias, Kind, alias_of
from esper_schemas.events import ScalarsLogged

Values = dict[str, float]


@dataclass(slots=True)
class LoggedParts:
    """The values of one call, in the units of the catalogue.

    Values of one of the run's own heads are among `update`, named `heads/NAME/FAMILY`. `makes_update` is
    true if one of the values shows that an update was made; `counts_env_steps` if the step of the call is the
    number of environment steps.
    """

    update: Values = field(default_factory=dict)
    rollout: Values = field(default_factory=dict)
    episode: Values = field(default_factory=dict)
    scalars: Values = field(default_factory=dict)
    conventions: dict[str, str] = field(default_factory=dict)
    makes_update: bool = False
    counts_env_steps: bool = False

    def add(self, name: str, alias: Alias, value: float) -> None:
        """Add a value to the part to which its name belongs, unless it stands for one not measured."""
        converted = alias.convert(value)
        if converted is None:
            return
        field_name = alias.field if alias.head is None else f"{HEADS_PREFIX}{alias.head}/{alias.field}"
        kind = alias.kind
        table = self.update if kind is Kind.UPDATE else self.rollout if kind is Kind.ROLLOUT else self.episode
        table[field_name] = converted
        if alias.makes_update:
            self.makes_update = True
        if name in ENV_STEP_NAMES and kind is not Kind.EPISODE:
            self.counts_env_steps = True
        if alias.convention:
            self.conventions[alias.field] = alias.convention


def sorted_by_meaning(event: ScalarsLogged) -> LoggedParts:
    """Return the values of a call by kind; those that were not measured, or mean nothing, are left out."""
    parts = LoggedParts()
    for name, value in event.values.items():
        if value is None or name in DROPPED:
            continue
        alias = alias_of(name)
        if alias is None:
            parts.scalars[name] = value
        else:
            parts.add(name, alias, value)
    return parts
