"""What always holds of a state that the fold has made. Tests validate the state after every event."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import chain
from math import isfinite
from typing import TypeAlias

import msgspec

from esper_aggregator.fold.own_scalars import MAX_SCALARS
from esper_aggregator.fold.process_overlap import KEPT_SPANS
from esper_aggregator.fold.reports import SHOWN_LOG_LEVELS
from esper_aggregator.fold.run_state import (
    KEPT_ANOMALIES,
    KEPT_EPISODES,
    KEPT_EPOCHS,
    KEPT_INSTABILITIES,
    KEPT_LOG_ENTRIES,
    KEPT_PRODUCERS,
    ProducerState,
    RunState,
)
from esper_aggregator.fold.size_limits import (
    MAX_COUNT,
    MAX_NAME_LENGTH,
    MAX_NAMES,
    MAX_TEXT_LENGTH,
    bounded_event,
    bounded_text,
)
from esper_schemas.heads import HEADS
from esper_schemas.rules.non_finite import latch
from esper_schemas.rules.streaks import Streaks
from esper_schemas.rules.watch import GAP
from esper_schemas.snapshot import EventEntry
from esper_schemas.state import HISTORY_LENGTH

Check: TypeAlias = tuple[bool, str]
"""Whether an invariant holds, and the sentence that states it."""


class InvariantError(AssertionError):
    """A state that the fold cannot have made; the message lists the invariants that do not hold."""


def validate(state: RunState) -> None:
    """Check a state, and leave it as it is. Raises `InvariantError`."""
    run = chain(_sequences(state), _counters(state), _reports(state), _list_limits("run", state))
    broken = [sentence for holds, sentence in run if not holds]
    for name, producer in state.producers.items():
        broken += [f"{name}: {sentence}" for holds, sentence in _producer(name, producer) if not holds]
    if broken:
        raise InvariantError("; ".join(broken))


def _sequences(state: RunState) -> Iterator[Check]:
    """Every record was folded, repeated or left out, and every missing one is a gap."""
    producers = state.producers.values()
    folded = sum(producer.events for producer in producers)
    missing = sum(sum(producer.next_seq.values()) for producer in producers) - folded
    full = any(len(producer.next_seq) == KEPT_EPOCHS for producer in producers)
    yield (
        0 <= state.events_folded - folded - state.duplicates <= state.left_out,
        "each record is folded, a duplicate or left out",
    )
    yield (
        missing == state.gaps or (full and missing < state.gaps) or state.gaps == MAX_COUNT,
        ("gaps is the number of sequence numbers that were skipped"),
    )
    yield state.unknown + state.rejected <= folded, "only folded events are unknown or rejected"
    yield len(state.producers) <= KEPT_PRODUCERS, "the number of producers is limited"


def _counters(state: RunState) -> Iterator[Check]:
    totals = state.instability_totals
    counters = (state.gaps, state.dropped, totals.nan_count, totals.inf_count)
    yield all(0 <= counter <= MAX_COUNT for counter in counters), "counters can be encoded"
    times = {producer.last_event_ns for producer in state.producers.values()} | {None}
    yield state.last_event_ns in times, "the last event is one of a producer's"
    yield (state.last_event_ns is None) == (state.lag_ns is None), "lag and time are of the same event"
    yield state.lag_ns is None or state.lag_ns >= 0, "lag is not negative"
    started = any(producer.started for producer in state.producers.values())
    yield state.started_ns is not None or not started, "a run with a started producer has started"


def _reports(state: RunState) -> Iterator[Check]:
    counted = sum(state.anomaly_counts.values())
    shown = sum(n for level, n in state.log_counts.items() if level in SHOWN_LOG_LEVELS)
    kept, reports = len(state.anomalies), state.instability_totals.reports
    yield min(KEPT_ANOMALIES, counted) <= kept <= counted + state.left_out, "anomalies are counted"
    yield len(state.log) == min(KEPT_LOG_ENTRIES, shown), "log lines are counted"
    yield len(state.instabilities) == min(KEPT_INSTABILITIES, reports), "instabilities are counted"
    names = [*state.anomaly_counts, *state.log_counts, *state.ratio_explosions]
    tables = (state.anomaly_counts, state.log_counts, state.ratio_explosions)
    yield all(len(table) <= MAX_NAMES for table in tables), "the number of names is limited"
    yield all(len(name) <= MAX_NAME_LENGTH for name in names), "names are limited"
    yield (
        all(
            head == bounded_text(entry.explosion.head, MAX_NAME_LENGTH)
            for head, entry in state.ratio_explosions.items()
        ),
        "ratio explosions are kept by head",
    )
    listed = [entry for entry in state.recent_events if isinstance(entry, EventEntry)]
    texts = [entry.text for entry in listed] + [entry.message for entry in state.log]
    yield all(len(text) <= MAX_TEXT_LENGTH for text in texts), "texts are limited"
    yield all(len(entry.kind) <= MAX_NAME_LENGTH for entry in listed), "kinds are limited"
    yield all(map(_is_within_limits, _kept_events(state))), "texts and tables of events are limited"


def _kept_events(state: RunState) -> Iterator[msgspec.Struct]:
    yield from (entry.anomaly for entry in state.anomalies)
    yield from (entry.decision for entry in state.decisions)
    yield from (entry.change for entry in state.stage_changes)
    yield from (entry.checkpoint for entry in state.checkpoints)
    yield from (entry.report for entry in state.instabilities)
    yield from (entry.explosion for entry in state.ratio_explosions.values())


def _is_within_limits(event: msgspec.Struct) -> bool:
    """Compares bytes, as a NaN equals no other."""
    return msgspec.msgpack.encode(bounded_event(event)) == msgspec.msgpack.encode(event)


def _list_limits(owner: str, part: RunState | ProducerState) -> Iterator[Check]:
    """Deques have the maximum lengths that their class declares."""
    empty = RunState() if isinstance(part, RunState) else ProducerState(producer="")
    for field in fields(part):
        value, declared = getattr(part, field.name), getattr(empty, field.name)
        if isinstance(declared, deque):
            limited = isinstance(value, deque) and value.maxlen == declared.maxlen
            yield limited, f"{field.name} of the {owner} is limited"


def _producer(name: str, producer: ProducerState) -> Iterable[Check]:
    return chain(
        _identity(name, producer),
        _histories(producer),
        _judgements(producer),
        _scalars(producer),
        _streaks(producer.symptoms.updates, producer.events),
        _streaks(producer.symptoms.rollouts, producer.events),
        _list_limits("producer", producer),
    )


def _identity(name: str, producer: ProducerState) -> Iterator[Check]:
    yield name == producer.producer, "a producer is kept by its name"
    yield len(name) <= MAX_NAME_LENGTH, "producer names are limited"
    yield 1 <= len(producer.next_seq) <= KEPT_EPOCHS, "the number of epochs is limited"
    yield producer.epoch == next(reversed(producer.next_seq), None), "the newest epoch is the current one"
    counts = (producer.updates, producer.episodes_completed)
    yield max(counts) <= producer.events, "updates and episodes come from events"
    entries = (producer.escalation, producer.layer_gradients, producer.head_gradients)
    yield all(entry is None or entry.producer == name for entry in entries), "entries are a producer's own"
    kept = (producer.started, producer.finished, *producer.rollouts)
    yield all(event is None or _is_within_limits(event) for event in kept), "events are limited"


def _histories(producer: ProducerState) -> Iterator[Check]:
    updates, returns, rollout = producer.ppo_updates, producer.returns, producer.rollout
    yield len(updates) <= min(HISTORY_LENGTH, producer.updates), "the last updates are counted"
    yield not updates or updates[-1].update == producer.last_update, "the newest update is the last one"
    yield len(producer.episodes) <= min(KEPT_EPISODES, producer.episodes_completed), "episodes are counted"
    yield len(producer.earlier_spans) <= KEPT_SPANS, "the number of remembered processes is limited"
    yield producer.epoch not in producer.earlier_spans, "the present process is not an earlier one"
    newest = returns[-1][0] if returns else None
    yield newest == (rollout.update if rollout else None), "the newest return is that of the last rollout"


def _judgements(producer: ProducerState) -> Iterator[Check]:
    nan: dict[str, bool] = {}
    inf: dict[str, bool] = {}
    for update in producer.ppo_updates:
        latch(nan, inf, update.payload)
    for latches, seen in ((producer.nan_latch, nan), (producer.inf_latch, inf)):
        yield tuple(latches)[: len(HEADS)] == HEADS, "every head has a latch"
        yield set(latches) <= {*HEADS, *producer.heads}, "only known heads have a latch"
        known = [head for head in seen if head in HEADS or head in producer.heads]
        yield all(latches.get(head) for head in known), "heads whose values were not finite are latched"
    risk, drift = producer.collapse_risk, producer.gradient_drift
    yield risk is None or 0.0 <= risk <= 1.0, "the collapse risk is a share"
    yield drift is None or 1.0 <= drift < float("inf"), "the gradient drift is a finite factor"
    returns = producer.symptoms.returns
    yield producer.average_grad_norm.count <= producer.events, "averaged norms are of updates"
    yield returns.best >= returns.level or returns.rollouts == 0, "the best return is the highest"
    levels = (producer.symptoms.levels.value_loss, producer.symptoms.levels.kl)
    yield all(isfinite(level.value) for level in levels), "levels are finite"


def _scalars(producer: ProducerState) -> Iterator[Check]:
    scalars = producer.scalars
    yield len(scalars) <= MAX_SCALARS, "the number of the run's own metrics is limited"
    yield all(len(name) <= MAX_NAME_LENGTH for name in scalars), "their names are limited"
    for scalar in scalars.values():
        yield 1 <= len(scalar.history) <= HISTORY_LENGTH, "a metric has its last values"
    yield producer.scalar_streaks.keys() <= scalars.keys(), "only what was logged is judged"


def _streaks(streaks: Streaks, observable: int) -> Iterator[Check]:
    yield streaks.observed <= observable, "only updates and rollouts are observed"
    for key, streak in streaks.open.items():
        observed = streaks.observed
        yield observed - GAP <= streak.seen <= observed, f"the open streak {key} was seen lately"
        yield 1 <= streak.updates <= streak.seen, f"the streak {key} is as long as was seen"
        yield streak.critical_updates <= streak.updates, f"critical updates of {key} belong to it"
        critical = streak.critical_updates > 0
        yield critical == (streak.critical_since is not None), f"the critical part of {key} has a beginning"
        yield streak.finite == isfinite(streak.worst), f"{key} is finite if its worst value is"
    for key, symptom in streaks.ended.items():
        yield (symptom.name, symptom.metric) == key, f"the ended streak {key} is kept by its key"
        yield not symptom.active, f"the ended streak {key} is not active"
