"""A rule in plain sentences: what it needs, its signs, and how often it was right, as Markdown."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import fields

from benchmarks.verdicts.measure import Confusion
from benchmarks.verdicts.report import spread

from esper_schemas.declarations import HeadSpec
from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.rules.bounded_watches import bounded_watches, own_head_watches
from esper_schemas.rules.finding_metrics import MEASURED_BY, MEASURED_BY_OF_HEADS
from esper_schemas.rules.quantities import NOT_FINITE
from esper_schemas.rules.rule import Rule, Sign
from esper_schemas.rules.rules import RULES
from esper_schemas.rules.watch import BoundedWatch, Watch
from esper_schemas.rules.watches import WATCHES

WATCH_NAMED = {watch.name: watch for watch in WATCHES if watch.name}

BOUNDS: dict[str, list[BoundedWatch]] = defaultdict(list)
"""The watches with the bounds of the catalogue, by name."""

for _watch in bounded_watches(QUANTITIES):
    BOUNDS[_watch.name].append(_watch)
for _watch in own_head_watches(HeadSpec(name="(name)", size=2), QUANTITIES):
    if not BOUNDS[_watch.name]:
        BOUNDS[_watch.name].append(_watch)

PLACES = {
    "signs": "One of",
    "together_with": "Together with one of",
    "while_one_of": "While the newest update has one of",
    "not_while": "But not while the newest update has one of",
    "not_after": "But not within 20 updates after one of",
    "unless": "Unless one of these explains it better",
    "decisive": "Whatever explains it, with one of",
}
"""What the signs in each field of a rule are for."""

RECOVERS = (
    "A policy that did well for 20 updates with these signs may recover: then the return must have been lost "
    "for 50 updates."
)

SPECIAL = {
    "own_metric_above": "a metric of the run's own above its bound",
    "own_metric_below": "a metric of the run's own below its bound",
}
"""Symptoms that are not values beyond the bound of a watch."""


def section(rule: Rule, counts: Confusion, healthy_updates: int) -> str:
    """The section of one rule."""
    parts = [
        f"## {rule.id}",
        f"{title_of(rule)}: {_kind(rule)}.",
        f"Needs {', '.join(needs(rule)) or 'nothing but the events of a run'}.",
        *signs(rule),
        *settings(rule),
        *([RECOVERS] if rule.recovers else []),
        *([covered_by(rule)] if rule.covered_by else []),
        " ".join(sentences(counts, healthy_updates)),
        "Try first:",
        "\n".join(f"- {advice}" for advice in rule.advice),
    ]
    return "\n\n".join([*parts, ""])


def covered_by(rule: Rule) -> str:
    """Names the rules that say more than this one."""
    names = " or ".join(f"`{name}`" for name in rule.covered_by)
    return f"It says nothing where {names} applies, which says more."


def title_of(rule: Rule) -> str:
    """The title of a rule, with words for what it names."""
    return rule.title.replace("{head}", "(name)").replace("{metric}", "(metric)")


def _kind(rule: Rule) -> str:
    return {
        "critical": f"a critical finding, confidence: {rule.confidence}",
        "warning": f"a warning, confidence: {rule.confidence}",
        "notice": f"a notice, confidence: {rule.confidence}",
    }[rule.severity]


def needs(rule: Rule) -> Iterator[str]:
    """The metrics without which a rule cannot apply: one of those of its signs, and of `together_with`."""
    names = (name for sign in (*rule.signs, *rule.together_with) for name in _measured_by(sign.symptom))
    yield from (f"`{name}`" for name in dict.fromkeys(names))


def _measured_by(symptom: str) -> Iterator[str]:
    watch = WATCH_NAMED.get(symptom)
    if watch is None:
        yield from (quantity for quantity, name in NOT_FINITE.items() if name == symptom)
    elif watch.per_head:
        yield from (f"head_*_{name}" for name in MEASURED_BY_OF_HEADS.get(watch.quantity, (watch.quantity,)))
    else:
        yield from MEASURED_BY.get(watch.quantity, (watch.quantity,))


def signs(rule: Rule) -> Iterator[str]:
    """One list for each group of signs of a rule."""
    for field in fields(rule):
        group = getattr(rule, field.name)
        if field.name in PLACES and group:
            yield "\n".join([f"{PLACES[field.name]}:", "", *(f"- {sign_text(sign)}" for sign in group)])


def settings(rule: Rule) -> Iterator[str]:
    """The settings of a run with which a rule applies, if it depends on any."""
    parts = []
    if rule.only_with_several:
        parts.append(f"unless `{rule.only_with_several}` is 1")
    if rule.requires:
        parts.append(f"only where the settings of the run have {_names(rule.requires)}")
    if rule.excludes:
        parts.append(f"not where they have {_names(rule.excludes)}")
    if parts:
        yield f"It applies {', '.join(parts)}."


def _names(names: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)


def sign_text(sign: Sign) -> str:
    """A sign in words: "KL divergence more than 0.03, in at least 3 updates"."""
    watch = WATCH_NAMED.get(sign.symptom)
    what = SPECIAL.get(sign.symptom) or (_beyond(watch, sign) if watch else _not_finite(sign.symptom))
    return what + (f", in at least {sign.updates} updates" if sign.updates > 1 else "")


def _not_finite(symptom: str) -> str:
    names = [f"`{quantity}`" for quantity, name in NOT_FINITE.items() if name == symptom]
    return f"{' or '.join(names)} NaN or infinite" if names else f"`{symptom}`"


def _beyond(watch: Watch, sign: Sign) -> str:
    bounds = {bound.critical if sign.critical else bound.warning for bound in BOUNDS[watch.name]}
    side = "less than" if watch.below else "more than"
    bound = f"{min(bounds):.4g}" if len(bounds) == 1 else "the bound of the head"
    text = watch.text.format(head="(name)", value=f"{side} {bound}")
    return text.replace("above less than", "above").replace("epoch less than", "an epoch before")


def sentences(counts: Confusion, healthy_updates: int) -> Iterator[str]:
    """How often a rule was right and wrong."""
    if not healthy_updates:
        yield "It has not been measured."
        return
    yield _found(counts)
    missed = counts.missed_by_all.total()
    if missed:
        yield (
            f"In {missed} no rule named the fault ({listed(counts.missed_by_all)}); "
            f"it did damage in {counts.missed_damage.total()} of these."
        )
    wrong = counts.false.total()
    if wrong:
        where = listed(counts.false_in)
        yield f"It was wrong {_times(wrong)} in {healthy_updates:,} healthy updates: {where}."
    else:
        yield f"It was never wrong in {healthy_updates:,} healthy updates."
    yield from _neither(counts)


def _found(counts: Confusion) -> str:
    trainings = counts.hits + counts.misses
    if not trainings:
        return "None of the recorded faults is one that it names."
    text = f"It applied in {counts.hits} of {trainings} trainings with a fault that it is about"
    if not counts.hits:
        return f"{text}."
    return (
        f"{text}, {spread(counts.delays)} updates after the fault began; the onset that it names is "
        f"{spread(counts.onset_errors)} updates off."
    )


def _neither(counts: Confusion) -> Iterator[str]:
    others = {
        "with a fault that it does not name": counts.secondary,
        "around a fall of the return": counts.in_falls,
        "where nothing was learned": counts.unlearned,
        "where all returns were equal, which it is about": counts.true_of_flat,
    }
    parts = [f"{_times(count)} {where}" for where, count in others.items() if count]
    if parts:
        yield f"It also applied {', '.join(parts)}."


def listed(counts: Counter[str]) -> str:
    """Names with how often each occurred."""
    return ", ".join(f"{name} {count}" for name, count in counts.most_common() if count)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def all_sections(rules: dict[str, Confusion], healthy_updates: int) -> Iterator[str]:
    """The sections of all rules, in their order."""
    for rule in RULES:
        yield section(rule, rules.get(rule.id, Confusion()), healthy_updates)
