"""The thresholds of a run, from one TOML text: bands of metrics, levels of watches, disabled rules.

    [kl_divergence]           # bands of a metric: see esper_schemas.metrics.overrides
    warning_above = 0.02

    [rules.value_loss_growth] # a watch: what it measures is a symptom beyond `warning`
    warning = 50.0
    critical = 5000.0
    updates = 4               # a symptom is a sign for a rule after this number of updates

    [rules.early_stop]        # a rule
    enabled = false

A name may be that of a watch and of a rule. What is left out keeps its default; `inf`, or `-inf` for a lower
level, removes it. Pure.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any

from esper_schemas.declarations import RunThresholds
from esper_schemas.errors import InvalidArgument
from esper_schemas.findings import Evidence, Finding
from esper_schemas.metrics.catalogue import QUANTITIES, MetricField
from esper_schemas.metrics.overrides import RULES_TABLE, is_number, overridden_quantities
from esper_schemas.metrics.toml_document import TomlDocument, hint, quoted
from esper_schemas.rules.bounded_watches import bounded_watches
from esper_schemas.rules.duplicate_ranks import DUPLICATE_RANK
from esper_schemas.rules.failed_training import TRAINING_FAILED
from esper_schemas.rules.implausible_values import IMPLAUSIBLE_VALUE
from esper_schemas.rules.lost_data import DATA_LOST
from esper_schemas.rules.rule import Rule, Sign
from esper_schemas.rules.rules import RULES
from esper_schemas.rules.watch import Levels
from esper_schemas.rules.watches import IMPLAUSIBLE, OWN_METRIC_ABOVE, OWN_METRIC_BELOW, WATCH_NAMES

MAX_LENGTH = 32_768
"""Characters of the longest text that is read."""

MAX_PROBLEM_LENGTH = 300

MAX_UPDATES = 1_000_000

THRESHOLDS_IGNORED = "thresholds_ignored"

OF_RECORDING = frozenset({DATA_LOST, DUPLICATE_RANK, IMPLAUSIBLE_VALUE, THRESHOLDS_IGNORED, TRAINING_FAILED})
"""Findings that follow from the recording rather than from the symptoms of the training."""

RULE_IDS = OF_RECORDING | {rule.id for rule in RULES}

LEVELS = ("warning", "critical")
_OF_WATCHES = (*LEVELS, "updates")
_OF_RULES = ("enabled",)
_WITHOUT_LEVELS = frozenset({OWN_METRIC_ABOVE, OWN_METRIC_BELOW, IMPLAUSIBLE})
"""Their bounds are those that the run gives where it defines a metric, or that a metric declares."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """All thresholds: those of the catalogue and the rules, with those of a text in their place.

    `levels` are by the names of watches. `rules` are those that apply, `disabled` has the ids of the others.
    """

    quantities: Mapping[str, MetricField] = field(default_factory=lambda: QUANTITIES)
    levels: Mapping[str, Levels] = field(default_factory=dict)
    rules: tuple[Rule, ...] = RULES
    disabled: frozenset[str] = frozenset()


DEFAULTS = Thresholds()
"""The thresholds of the catalogue and the rules."""


def read_thresholds(text: str, *, origin: str = "thresholds", heads: Collection[str] = ()) -> Thresholds:
    """Return the thresholds of a TOML text; `heads` are the names of the run's own heads.

    Raises `InvalidArgument`, whose message begins with `origin` and has the line.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidArgument(
            f"{origin}: the thresholds have {len(text):,} characters; shorten them to {MAX_LENGTH:,}."
        )
    document = TomlDocument(text, origin)
    quantities = overridden_quantities(document, heads)
    return _with_rules(document, quantities)


@lru_cache(maxsize=16)
def thresholds_of(given: RunThresholds) -> Thresholds:
    """Return the thresholds of a run; those of the catalogue and the rules if its text cannot be used."""
    if not given.text:
        return DEFAULTS
    try:
        return read_thresholds(given.text, heads=given.heads)
    except InvalidArgument:
        return DEFAULTS


def ignored_thresholds(given: RunThresholds) -> list[Finding]:
    """Return the finding, if the run gave thresholds that cannot be used."""
    if not given.problem:
        return []
    return [
        Finding(
            rule=THRESHOLDS_IGNORED,
            severity="warning",
            title="The thresholds that the run gives cannot be used; those of the catalogue apply",
            evidence=(Evidence(0, given.problem),),
            advice=("Correct the line; give the text to the resumed training, or to what reads the run.",),
        )
    ]


def checked(text: str, heads: Collection[str] = ()) -> RunThresholds:
    """Return a text that a log gives, or why it cannot be used; never raises."""
    given = RunThresholds(text, tuple(heads))
    try:
        read_thresholds(text, heads=given.heads)
    except InvalidArgument as error:
        return RunThresholds(problem=str(error)[:MAX_PROBLEM_LENGTH])
    return given


def _with_rules(document: TomlDocument, quantities: Mapping[str, MetricField]) -> Thresholds:
    levels: dict[str, Levels] = {}
    updates: dict[str, int] = {}
    disabled: set[str] = set()
    for name, table in _tables(document):
        settings = _settings(document, name, table)
        if any(key in settings for key in LEVELS):
            levels[name] = Levels(*[settings.get(key) for key in LEVELS])
            _check_order(document, name, levels[name], quantities)
        if "updates" in settings:
            updates[name] = settings["updates"]
        if settings.get("enabled") is False:
            disabled.add(name)
    rules = tuple(_with_updates(rule, updates) for rule in RULES if rule.id not in disabled)
    return Thresholds(quantities, levels, rules, frozenset(disabled))


def _with_updates(rule: Rule, updates: Mapping[str, int]) -> Rule:
    """Return a rule whose signs last at least the given number of updates, by the names of watches."""
    changed: dict[str, Any] = {}
    for each in fields(rule):
        value = getattr(rule, each.name)
        if isinstance(value, tuple) and any(isinstance(s, Sign) and s.symptom in updates for s in value):
            changed[each.name] = tuple(replace(s, updates=updates.get(s.symptom, s.updates)) for s in value)
    return replace(rule, **changed)


def _tables(document: TomlDocument) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the tables below `rules`, which are of watches and rules that exist."""
    rules = document.tables.get(RULES_TABLE, {})
    if not isinstance(rules, dict):
        document.refuse((RULES_TABLE,), "rules must have tables: write [rules.early_stop], for example.")
    known = sorted(WATCH_NAMES.keys() | RULE_IDS)
    for name, table in rules.items():
        path = (RULES_TABLE, name)
        if name not in known:
            document.refuse(path, f"there is no watch and no rule {quoted(name)}{hint(name, known)}.")
        if not isinstance(table, dict):
            sentence = f"rules.{name} must be a table: write [rules.{name}] and its settings below it."
            document.refuse(path, sentence)
        yield name, table


def _settings(document: TomlDocument, name: str, table: dict[str, Any]) -> dict[str, Any]:
    accepted = _accepted(name)
    for key, value in table.items():
        path = (RULES_TABLE, name, key)
        if key not in accepted:
            sentence = f"rules.{name} has no setting {quoted(key)}; it has {', '.join(accepted)}."
            document.refuse(path, sentence)
        problem = _problem(name, key, value)
        if problem:
            document.refuse(path, f"{key} of rules.{name} {problem}.")
    return {key: float(value) if key in LEVELS else value for key, value in table.items()}


def _accepted(name: str) -> tuple[str, ...]:
    """Return the settings of a table, whose name is that of a watch, of a rule, or of both."""
    of_watch = ("updates",) if name in _WITHOUT_LEVELS else _OF_WATCHES
    return (of_watch if name in WATCH_NAMES else ()) + (_OF_RULES if name in RULE_IDS else ())


def _problem(name: str, key: str, value: Any) -> str:
    """Return what is wrong with a value; empty if nothing is."""
    if key == "enabled":
        return "" if isinstance(value, bool) else "must be true or false"
    if key == "updates":
        is_count = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_UPDATES
        return "" if is_count else f"must be a whole number from 1 to {MAX_UPDATES:,}"
    if not is_number(value):
        return "must be a number"
    everything = math.inf if WATCH_NAMES[name].below else -math.inf
    return f"is {value:g}: every value would be beyond it" if value == everything else ""


def _check_order(
    document: TomlDocument, name: str, levels: Levels, quantities: Mapping[str, MetricField]
) -> None:
    """Refuse levels of which the critical one is reached before the warning."""
    for watch in bounded_watches(quantities, {name: levels}):
        if watch.name == name and watch.is_beyond(watch.warning, watch.critical):
            at_fault = "warning" if levels.warning is not None else "critical"
            document.refuse(
                (RULES_TABLE, name, at_fault),
                f"the levels of rules.{name} are inverted: warning is {watch.warning:g} "
                f"but critical is {watch.critical:g}.",
            )
