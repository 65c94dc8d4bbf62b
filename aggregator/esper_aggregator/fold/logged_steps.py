"""Joins what a training program logs in several calls to updates, rollouts and episodes.

The values of one step come in one call or in many, and nobody says which is the last. What a step has brought
so far is therefore kept open until values of another step come; a snapshot shows open steps as if they were
closed (`with_open_steps_closed`).
"""

import math
from collections import deque
from collections.abc import Callable
from copy import copy
from dataclasses import fields, is_dataclass
from typing import Any, Literal, get_args, get_type_hints

from esper_aggregator.fold import training
from esper_aggregator.fold.event_list import listed_update
from esper_aggregator.fold.logged_names import LoggedParts, Values, sorted_by_meaning
from esper_aggregator.fold.observer import ObservedRunState, Origin, ValueObserver, observer_of
from esper_aggregator.fold.own_scalars import record_scalars
from esper_aggregator.fold.reports import add_warning
from esper_aggregator.fold.run_state import OpenStep, ProducerState, RunState
from esper_aggregator.fold.size_limits import bounded_count
from esper_schemas import events as e
from esper_schemas.aliases import DROPPED, HEADS_PREFIX, ROLLOUT_FIELDS
from esper_schemas.payload import HeadMeasures, PPOUpdatePayload

Part = Literal["episode", "update", "rollout"]
_COUNTS = {
    name
    for of in (PPOUpdatePayload, e.RolloutCompleted)
    for name, hint in get_type_hints(of).items()
    if int in (hint, *get_args(hint))
}
_SHARED_WITH_COPIES = frozenset({"scalars", "next_seq"})
"""Tables that closing a step does not change."""


def values_logged(state: RunState, producer: ProducerState, record: e.Record, event: e.ScalarsLogged) -> None:
    """Add the values of one call to the steps that are open."""
    parts = sorted_by_meaning(event)
    logged = producer.logged
    logged.conventions |= parts.conventions
    if event.step is not None and not DROPPED.issuperset(event.values):
        logged.last_step = bounded_count(event.step)
    at_ns = record.emitted_ns
    if parts.episode:
        _join(state, producer, "episode", parts.episode, event.step, at_ns)
    if parts.update:
        _join_update(state, producer, record, parts, event.step)
    if parts.counts_env_steps and event.step is not None:
        parts.rollout.setdefault("env_steps_total", float(event.step))
    if parts.rollout and (parts.update or parts.rollout.keys() != {"env_steps_total"}):
        # steps alone are those of an evaluation between two rollouts
        _join(state, producer, "rollout", parts.rollout, event.step, at_ns)
    if parts.scalars:
        record_scalars(state, producer, record, parts.scalars, event.step)


def close_steps(state: RunState, producer: ProducerState) -> None:
    """Close all open steps, as no more values of them will come."""
    logged = producer.logged
    if logged.update or logged.rollout or logged.episode:
        for part in _CLOSE:
            _close(state, producer, part)


def with_open_steps_closed(state: RunState, observer: ValueObserver | None = None) -> RunState:
    """Return the state as it will be if no more values of the open steps come; `state` stays as it is.

    `observer` receives the values of the steps that are closed.
    """
    open_producers = {name: p for name, p in state.producers.items() if p.logged.is_open}
    if not open_producers:
        return state
    closed = ObservedRunState(state, observer)
    closed.recent_events, closed.log = state.recent_events.copy(), state.log.copy()
    closed.producers = state.producers | {name: _copied(p) for name, p in open_producers.items()}
    for name in open_producers:
        close_steps(closed, closed.producers[name])
    return closed


def _copied(value: Any) -> Any:
    """Return a copy of a part of the state, whose events and entries are immutable."""
    if isinstance(value, deque):
        return value.copy()
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if not is_dataclass(value):
        return value
    copied = copy(value)
    for part in fields(value):
        if part.name not in _SHARED_WITH_COPIES:
            setattr(copied, part.name, _copied(getattr(value, part.name)))
    return copied


def _join_update(
    state: RunState, producer: ProducerState, record: e.Record, parts: LoggedParts, step: int | None
) -> None:
    """Add metrics to the open update, or begin the next one."""
    logged, before = producer.logged, producer.logged.update
    if before is not None and before.makes_update and not _belongs(before, step, parts.update):
        _close(state, producer, "update")
    if step is not None and logged.closed_step is not None and step < logged.closed_step:
        add_warning(state, record, f"The step went back from {logged.closed_step} to {step}.")
        logged.closed_step = None
    _join(state, producer, "update", parts.update, step, record.emitted_ns)
    update = logged.update
    if update is not None and parts.makes_update and not update.makes_update:
        update.makes_update = True
        parts.rollout = _mean_of_episodes(state, producer) | parts.rollout


def _join(
    state: RunState, producer: ProducerState, part: Part, values: Values, step: int | None, at_ns: int
) -> None:
    """Add values to the open step of a part; close it before if they do not belong to it."""
    joined: OpenStep | None = getattr(producer.logged, part)
    if joined is not None and not _belongs(joined, step, values, once=part == "episode"):
        if part != "update":
            _close(state, producer, part)
            joined = None
        else:  # settings alone, which no update followed: they are those of the next one
            joined.step = step
    if joined is None:
        joined = OpenStep(step)
        setattr(producer.logged, part, joined)
    joined.values |= values
    joined.at_ns = at_ns


def _belongs(joined: OpenStep, step: int | None, values: Values, *, once: bool = False) -> bool:
    """Return whether values come from the step that is open.

    A name is repeated only in a later step, if the steps have no numbers, and for what happens more than
    once in a step.
    """
    if step is None or joined.step is None or once:
        return step in (joined.step, None) and not values.keys() & joined.values.keys()
    return step == joined.step


def _close(state: RunState, producer: ProducerState, part: Part) -> None:
    joined: OpenStep | None = getattr(producer.logged, part)
    if joined is not None:
        setattr(producer.logged, part, None)
        _CLOSE[part](state, producer, joined)


def _close_update(state: RunState, producer: ProducerState, joined: OpenStep) -> None:
    if not joined.makes_update:
        return
    logged = producer.logged
    event = e.PPOUpdateCompleted(update=_next_update(producer), payload=_payload(joined.values))
    logged.resumed_from, logged.closed_step = None, joined.step
    event = training.update_completed(state, producer, event, late=False)
    if (observer := observer_of(state)) is not None:
        observer.update_completed(_origin(state, producer, joined, event.update), event.payload)
    state.recent_events.append(listed_update(joined.at_ns, producer.producer, event))


def _close_rollout(state: RunState, producer: ProducerState, joined: OpenStep) -> None:
    logged = producer.logged
    of_last = joined.step is not None and logged.update is None and joined.step == logged.closed_step
    update = producer.last_update if of_last else _next_update(producer)
    values = _typed({name: joined.values[name] for name in ROLLOUT_FIELDS if name in joined.values})
    event = e.RolloutCompleted(update=update, **values)
    training.rollout_completed(state, producer, event, late=False)
    if (observer := observer_of(state)) is not None:
        observer.rollout_completed(_origin(state, producer, joined, update), event)


def _close_episode(state: RunState, producer: ProducerState, joined: OpenStep) -> None:
    logged, values = producer.logged, joined.values
    episode_return, length = values.get("episode_return"), values.get("episode_length")
    if episode_return is None:
        return
    event = e.EpisodeCompleted(
        environment=0,
        episode=producer.episodes_completed + 1,
        episode_return=episode_return,
        length=None if length is None or not math.isfinite(length) else bounded_count(int(length)),
    )
    training.episode_completed(producer, joined.at_ns, event, late=False)
    logged.episode_returns.append(episode_return)
    if event.length is not None:
        logged.episode_lengths.append(event.length)


def _origin(state: RunState, producer: ProducerState, joined: OpenStep, update: int) -> Origin:
    return Origin(state.events_folded, producer, producer.epoch, joined.at_ns, update, joined.step)


def _mean_of_episodes(state: RunState, producer: ProducerState) -> Values:
    """Return the results of the episodes since the update before, as those of the rollout that they made."""
    _close(state, producer, "episode")
    logged = producer.logged
    means: Values = {}
    if logged.episode_returns:
        means["mean_return"] = sum(logged.episode_returns) / len(logged.episode_returns)
    if logged.episode_lengths:
        means["mean_length"] = sum(logged.episode_lengths) / len(logged.episode_lengths)
    logged.episode_returns.clear()
    logged.episode_lengths.clear()
    return means


def _next_update(producer: ProducerState) -> int:
    after = producer.logged.resumed_from
    return bounded_count((producer.last_update if after is None else after) + 1)


def _payload(values: Values) -> PPOUpdatePayload:
    heads: dict[str, Values] = {}
    for name in [name for name in values if name.startswith(HEADS_PREFIX)]:
        head, _, family = name.removeprefix(HEADS_PREFIX).rpartition("/")
        heads.setdefault(head, {})[family] = values.pop(name)
    measures = {head: HeadMeasures(**measured) for head, measured in heads.items()}
    return PPOUpdatePayload(**_typed(values), heads=measures)


def _typed(values: Values) -> dict[str, Any]:
    """Return values with whole numbers where a field counts; a count that is not finite is left out."""
    typed: dict[str, Any] = dict(values)
    for name in _COUNTS & values.keys():
        value = typed.pop(name)
        if math.isfinite(value):
            typed[name] = bounded_count(int(value))
    return typed


_CLOSE: dict[Part, Callable[[RunState, ProducerState, OpenStep], None]] = {
    "episode": _close_episode,
    "update": _close_update,
    "rollout": _close_rollout,
}
