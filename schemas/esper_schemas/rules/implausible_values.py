"""A finding about the recording rather than the training: a value that its metric cannot have."""

from collections.abc import Iterable, Mapping
from functools import cache

from esper_schemas.declarations import HeadSpec
from esper_schemas.findings import Finding, Symptom
from esper_schemas.policy_heads import split_own
from esper_schemas.rules.declared_ranges import KL, RANGES, own_head_ranges, range_text
from esper_schemas.rules.evidence import evidence_of, number
from esper_schemas.rules.watched_row import FINITE
from esper_schemas.rules.watches import IMPLAUSIBLE

IMPLAUSIBLE_VALUE = "implausible_value"

UNREAD = "No other rule reads the value; correct it where it is logged."


def implausible_values(symptoms: Iterable[Symptom], heads: Mapping[str, HeadSpec]) -> list[Finding]:
    """Return a finding for each metric whose newest values are outside of its declared range."""
    return [_finding(s, heads) for s in symptoms if s.name == IMPLAUSIBLE and s.active]


def _finding(symptom: Symptom, heads: Mapping[str, HeadSpec]) -> Finding:
    low, high = _range_of(symptom.metric, heads)
    return Finding(
        rule=IMPLAUSIBLE_VALUE,
        severity="warning",
        title=f"{_words(symptom.metric)} is {number(symptom.value)}, but it must be {range_text(low, high)}",
        head=symptom.head,
        since_update=symptom.since_update,
        evidence=evidence_of([symptom]),
        advice=(_cause(symptom, high), UNREAD),
        metrics=(symptom.metric,),
    )


def _range_of(metric: str, heads: Mapping[str, HeadSpec]) -> tuple[float, float]:
    split = split_own(metric)
    if split is None:
        return RANGES.get(metric, FINITE)  # a symptom may come from another version
    return _own_ranges(heads.get(split[0]) or HeadSpec(split[0])).get(split[1], FINITE)


@cache
def _own_ranges(spec: HeadSpec) -> dict[str, tuple[float, float]]:
    return own_head_ranges(spec)


def _words(metric: str) -> str:
    """Return the name of a metric in words, for the beginning of a sentence."""
    split = split_own(metric)
    name = metric if split is None else f"{split[1]} of {split[0]}"
    words = name.replace("kl_", "KL_").replace("_", " ")
    return words[0].upper() + words[1:]


def _cause(symptom: Symptom, high: float) -> str:
    """Return what usually is the cause."""
    if symptom.metric.endswith(KL):
        return "Check the estimator: (r - 1) - ln r is never negative, the mean of the log-ratio may be."
    if symptom.metric == "explained_variance":
        return "Check the formula, 1 - Var(return - value) / Var(return), which is at most 1."
    if symptom.metric.endswith("entropy") and symptom.value < 0:
        return "Check the sign: an entropy loss is the negative entropy. Declare heads that are continuous."
    if symptom.value > high and symptom.metric.endswith("entropy"):
        return "Check the unit: the entropy of a head is that of one choice, in nats."
    if symptom.value > high:
        return "Check the unit: a share is at most 1, and not a percentage or a count."
    return "Check the sign and the definition: this quantity is never negative."
