"""Symptoms in words: the links of a chain of evidence."""

import math
from collections.abc import Iterable

from esper_schemas.diagnosis.watches import WATCH_NAMES
from esper_schemas.findings import Evidence, Symptom


def evidence_of(symptoms: Iterable[Symptom]) -> tuple[Evidence, ...]:
    """One link per symptom, oldest first."""
    links = [Evidence(symptom.since_update, _text(symptom)) for symptom in symptoms]
    return tuple(sorted(links, key=lambda link: link.update))


def _text(symptom: Symptom) -> str:
    watch = WATCH_NAMES.get(symptom.name)
    text = watch.text if watch else symptom.metric.replace("_", " ") + " {value}"
    words = text.replace("{head}", str(symptom.head)).replace("{value}", number(symptom.value))
    return f"{words}{_worst(symptom)}{_end(symptom)}"


def _worst(symptom: Symptom) -> str:
    if symptom.worst_update == symptom.since_update or number(symptom.worst) == number(symptom.value):
        return ""
    return f", at worst {number(symptom.worst)} at {symptom.worst_update}"


def _end(symptom: Symptom) -> str:
    return "" if symptom.active else f" (until {symptom.last_update})"


def number(value: float) -> str:
    """Three significant digits; what is not finite by its name."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    return f"{value:.3g}"
