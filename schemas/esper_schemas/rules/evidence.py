"""Symptoms as text: the links of a chain of evidence."""

import math
from collections.abc import Iterable

from esper_schemas.findings import Evidence, Symptom
from esper_schemas.rules.watches import WATCH_NAMES

MOST = 1_000_000
"""Numbers beyond this are not written out."""


def evidence_of(symptoms: Iterable[Symptom]) -> tuple[Evidence, ...]:
    """Return one link for each symptom, oldest first."""
    links = [Evidence(symptom.since_update, described(symptom), _later(symptom)) for symptom in symptoms]
    return tuple(sorted(links, key=lambda link: link.update))


def described(symptom: Symptom) -> str:
    """Describe the beginning of a symptom: "KL divergence 0.2"."""
    watch = WATCH_NAMES.get(symptom.name)
    text = watch.text if watch else symptom.metric.replace("_", " ") + " {value}"
    text = text.replace("{head}", str(symptom.head)).replace("{value}", number(symptom.value))
    return text.replace("{metric}", symptom.metric) + _ranks(symptom)


def _ranks(symptom: Symptom) -> str:
    """Name the ranks, unless all of them show the symptom."""
    if not symptom.ranks:
        return ""
    first, *others = map(str, symptom.ranks)
    if not others:
        return f" on rank {first}"
    several = [first, *others] if len(others) < 3 else [first, *others[:2], "others"]
    return f" on ranks {', '.join(several[:-1])} and {several[-1]}"


def _later(symptom: Symptom) -> str:
    """Describe how bad a symptom became after its beginning, and whether it is over."""
    worse = number(symptom.worst) != number(symptom.value) and symptom.worst_update != symptom.since_update
    parts = (
        f"{number(symptom.worst)} at {symptom.worst_update}" if worse else "",
        "" if symptom.active else f"over after {symptom.last_update}",
    )
    return ", ".join(part for part in parts if part)


def number(value: float) -> str:
    """Format a number with three significant digits, or by its name if it is not finite.

    Of a very large one only that it is large is said: its digits mean nothing.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    if abs(value) > MOST:
        return f"above {MOST:,}" if value > 0 else f"below -{MOST:,}"
    return f"{value:.3g}" if abs(value) < 1000.0 else f"{float(f'{value:.3g}'):,.0f}"
