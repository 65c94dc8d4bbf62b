"""Symptoms, which the fold remembers; findings, which a diagnosis concludes from them; and the verdict."""

from enum import StrEnum
from typing import Literal

import msgspec


class Symptom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A streak of values of one metric beyond a bound.

    `name` is that of a watch in `esper_schemas.rules.watches`. `updates` counts the updates with such a
    value between `since_update` and `last_update`; `critical_updates` and `critical_since` are about values
    beyond the critical bound or not finite. `value` is the first one, `worst` the one farthest beyond its
    bound. A streak is no longer `active` after more than `GAP` updates in a row without such a value. `ranks`
    has the lowest ranks that show it, if not all ranks of the run do. `at_best` counts the updates of a low
    entropy in which the return was near its best.
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
    ranks: tuple[int, ...] = ()
    at_best: int = 0


Severity = Literal["notice", "warning", "critical"]
"""A notice is worth knowing and no fault; a warning may be one; what is critical ruins the training."""


class Evidence(msgspec.Struct, frozen=True):
    """One link of the chain that leads to a finding: a symptom that began at `update`, and how it went on."""

    update: int
    text: str
    later: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong, since which update, on which evidence, and what to try first.

    `rule` is the id of the rule that found it; `evidence` is in the order of time. `metrics` names the
    metrics to open, the main one first: those of the sign, and those of the evidence that still show it.
    """

    rule: str
    severity: Severity
    title: str
    head: str | None = None
    since_update: int = 0
    evidence: tuple[Evidence, ...] = ()
    advice: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()


class VerdictWord(StrEnum):
    """What the findings about a run mean together, in one word.

    CRITICAL and SUSPICIOUS follow from the most severe finding, CONVERGED from the notice that the policy has
    converged; NO DATA is the verdict before the first update.
    """

    NO_DATA = "NO DATA"
    HEALTHY = "HEALTHY"
    CONVERGED = "CONVERGED"
    SUSPICIOUS = "SUSPICIOUS"
    CRITICAL = "CRITICAL"


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """One word about a run, the reason in a few words, since which update, and the rule that found it."""

    word: VerdictWord = VerdictWord.NO_DATA
    reason: str = ""
    since_update: int | None = None
    rule: str = ""
