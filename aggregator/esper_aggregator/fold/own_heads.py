"""A run's own action heads: which ones are known, within limits, and what was measured of them."""

from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Any

from msgspec import structs

from esper_aggregator.fold.rank_reduction import reduce_values
from esper_aggregator.fold.run_state import ProducerState, RunState
from esper_aggregator.fold.size_limits import MAX_ITEMS, MAX_NAME_LENGTH, MAX_NAMES, bounded_text
from esper_schemas.declarations import HeadSpec
from esper_schemas.events import PPOUpdateCompleted
from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import HEAD_FAMILIES, head_field
from esper_schemas.payload import HeadMeasures, PPOUpdatePayload
from esper_schemas.policy_heads import (
    OWN_FAMILIES,
    TAMIYO_SPECS,
    is_own,
    measured_heads,
    own_quantity,
)
from esper_schemas.state import History

_NOT_MEASURED = HeadMeasures()
_NO_ROW = structs.astuple(_NOT_MEASURED)


def bounded_heads(heads: Iterable[HeadSpec]) -> tuple[HeadSpec, ...]:
    """Return the first heads with different names, with texts and lists cut to the limits."""
    kept: dict[str, HeadSpec] = {}
    for spec in heads:
        name = bounded_text(spec.name, MAX_NAME_LENGTH)
        if name and name not in kept and len(kept) < MAX_NAMES:
            choices = tuple([bounded_text(choice, MAX_NAME_LENGTH) for choice in spec.choices[:MAX_ITEMS]])
            kept[name] = structs.replace(spec, name=name, choices=choices)
    return tuple(kept.values())


def declare(producer: ProducerState, heads: Iterable[HeadSpec]) -> None:
    """Replace the heads that are known; forget what was remembered of heads that are gone or have changed."""
    declared = {spec.name: spec for spec in heads}
    changed = {name for name, spec in producer.heads.items() if declared.get(name) != spec}
    producer.heads = declared
    if not changed:
        return
    producer.symptoms.forget_heads(changed)
    gone = changed - declared.keys()
    for latches in (producer.nan_latch, producer.inf_latch):
        for head in gone & latches.keys() - set(HEADS):
            del latches[head]
    for place, update in enumerate(producer.ppo_updates):
        if gone & update.payload.heads.keys():
            producer.ppo_updates[place] = _without_heads(update, gone)


def _without_heads(update: PPOUpdateCompleted, names: Collection[str]) -> PPOUpdateCompleted:
    heads = {name: measures for name, measures in update.payload.heads.items() if name not in names}
    return PPOUpdateCompleted(update.update, structs.replace(update.payload, heads=heads))


def with_known_heads(
    state: RunState, producer: ProducerState, event: PPOUpdateCompleted
) -> PPOUpdateCompleted:
    """Return an update with the measurements of known heads; a head that was not declared becomes known.

    Beyond the limit of names, heads are left out and counted. A head with the name of one of Tamiyo's is that
    head, unless the run declares it as its own: its measurements are in flat fields, or else in `heads`.
    """
    payload, heads = event.payload, dict[str, HeadMeasures]()
    flat: dict[str, float | None] = {}
    for name, measures in payload.heads.items():
        name = bounded_text(name, MAX_NAME_LENGTH)
        if name in TAMIYO_SPECS and not _shadows(producer, name):
            flat |= _flat_fields(payload, name, measures)
        elif _is_known(producer, name):
            heads[name] = measures
        else:
            state.left_out += 1
    for name in TAMIYO_SPECS.keys() & producer.heads.keys():
        if _shadows(producer, name):
            flat |= dict.fromkeys([head_field(name, family) for family in HEAD_FAMILIES])
            heads |= _own_measures(payload, name, heads.get(name, _NOT_MEASURED))
    if not flat and heads == payload.heads:
        return event
    return PPOUpdateCompleted(event.update, structs.replace(payload, heads=heads, **flat))


def _is_known(producer: ProducerState, name: str) -> bool:
    """Return whether a head is known; one that appears late is, with an unknown size, if there is room."""
    if name and name not in producer.heads and len(producer.heads) < MAX_NAMES:
        producer.heads[name] = HeadSpec(name)
    return name in producer.heads


def _shadows(producer: ProducerState, name: str) -> bool:
    """Return whether the run declares an own head with the name of one of Tamiyo's."""
    return name in producer.heads and is_own(producer.heads[name])


def _flat_fields(payload: PPOUpdatePayload, name: str, measures: HeadMeasures) -> dict[str, float | None]:
    fields = {head_field(name, family): getattr(measures, family) for family in HEAD_FAMILIES}
    return {field: value for field, value in fields.items() if getattr(payload, field) is None}


def _own_measures(payload: PPOUpdatePayload, name: str, own: HeadMeasures) -> dict[str, HeadMeasures]:
    """Return the measurements of a head in which the flat fields of its name fill the gaps."""
    gaps = [family for family in HEAD_FAMILIES if getattr(own, family) is None]
    filled = structs.replace(own, **{family: getattr(payload, head_field(name, family)) for family in gaps})
    return {} if filled == _NOT_MEASURED else {name: filled}


def own_head_fields(producers: Sequence[ProducerState]) -> dict[str, Any]:
    """Return the fields of the learner's state about own heads, merged over the ranks; empty without any."""
    if not any(producer.heads for producer in producers):
        return {}
    ordered = _heads_of_ranks(producers)
    newest = [producer.ppo_updates[-1].payload for producer in producers if producer.ppo_updates]
    before = [producer.ppo_updates[-2].payload for producer in producers if len(producer.ppo_updates) > 1]
    others = {spec.name: spec for payload in newest for spec in measured_heads(payload)}
    return {
        "heads": merged_heads(newest, ordered),
        "heads_previous": merged_heads(before, ordered),
        "head_specs": tuple((ordered | {n: s for n, s in others.items() if n not in ordered}).values()),
    }


def _heads_of_ranks(producers: Sequence[ProducerState]) -> dict[str, HeadSpec]:
    """Return the heads of all ranks: those that the lowest rank declares first, undeclared ones last."""
    ranks = sorted(producers, key=lambda p: (p.started.rank if p.started else 0, p.producer))
    heads: dict[str, HeadSpec] = {}
    for spec in (spec for rank in ranks if rank.started for spec in rank.started.heads):
        heads.setdefault(spec.name, spec)
    for name, spec in (item for rank in ranks for item in rank.heads.items()):
        heads.setdefault(name, spec)
    return dict(islice(heads.items(), MAX_NAMES))


def merged_heads(payloads: Sequence[PPOUpdatePayload], names: Iterable[str]) -> dict[str, HeadMeasures]:
    """Return the measurements of own heads, merged over the payloads of several ranks."""
    rows = {name: [p.heads[name] for p in payloads if name in p.heads] for name in names}
    return {name: _merge_head(row) for name, row in rows.items() if row}


def _merge_head(ranks: Sequence[HeadMeasures]) -> HeadMeasures:
    if len(ranks) == 1:
        return ranks[0]
    return HeadMeasures(
        **{
            family: reduce_values(metric.over_ranks, [getattr(measures, family) for measures in ranks])
            for family, metric in OWN_FAMILIES.items()
        }
    )


def own_histories(payloads: Sequence[PPOUpdatePayload], heads: Iterable[str]) -> dict[str, History]:
    """Return the values of every quantity of own heads that was measured in these updates."""
    tables = [payload.heads for payload in payloads]
    histories: dict[str, History] = {}
    for head in heads:
        rows = [structs.astuple(table[head]) if head in table else _NO_ROW for table in tables]
        for family, column in zip(OWN_FAMILIES, zip(*rows, strict=True), strict=True):
            if any(value is not None for value in column):
                histories[own_quantity(head, family)] = column
    return histories
