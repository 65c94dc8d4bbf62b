"""What the fold remembers of unusual values, and what a diagnosis says about them."""

from typing import Literal

import msgspec


class Symptom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A streak of unusual values of one metric.

    `name` is a watch in `esper_schemas.rules.watches`. `updates` counts the unusual ones between
    `since_update` and `last_update`; `critical_updates` and `critical_since` are about those beyond the
    critical bound or not finite. `value` is the first unusual value, `worst` the one farthest beyond its
    bound. A streak is over, and not `active`, after `GAP` usual updates in a row.
    """

    name: str
    metric: str
    head: str | None = None
    severity: Literal["warning", "critical", "not finite"] = "warning"
    since_update: int = 0
    last_update: int = 0
    updates: int = 1
    critical_since: int | None = None
    critical_updates: int = 0
    value: float = 0.0
    worst: float = 0.0
    worst_update: int = 0
    active: bool = True


class Evidence(msgspec.Struct, frozen=True):
    """One link of the chain that leads to a finding: what began at `update`, and what became of it later."""

    update: int
    text: str
    later: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong, since which update, why that is believed, and what practitioners try first.

    `rule` is the id of the rule that speaks; `evidence` is in the order of time.
    """

    rule: str
    severity: Literal["warning", "critical"]
    title: str
    head: str | None = None
    since_update: int = 0
    evidence: tuple[Evidence, ...] = ()
    advice: tuple[str, ...] = ()
