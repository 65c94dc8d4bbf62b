"""The run's own metrics: their last values, and the streaks of those beyond the bounds that the run gave."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from esper_aggregator.fold.observer import Origin, observer_of
from esper_aggregator.fold.rank_reduction import reduce_values
from esper_aggregator.fold.reports import add_warning
from esper_aggregator.fold.run_state import ProducerState, RunState
from esper_aggregator.fold.size_limits import MAX_NAME_LENGTH, bounded_event, bounded_text
from esper_schemas.declarations import MetricSpec
from esper_schemas.events import Record
from esper_schemas.findings import Symptom
from esper_schemas.metrics.metric import Bands, Reduction
from esper_schemas.metrics.own import bands_of
from esper_schemas.rules.streaks import Streaks
from esper_schemas.rules.watches import OWN_METRIC_ABOVE, OWN_METRIC_BELOW
from esper_schemas.snapshot import ScalarState
from esper_schemas.state import HISTORY_LENGTH, History

MAX_SCALARS = 4096
"""Distinct names of one producer that are kept; of a metric whose name changes, the first ones."""


def metric_defined(state: RunState, spec: MetricSpec) -> None:
    """Keep the description of a metric, if there is room for one more."""
    spec = bounded_event(spec)
    name = bounded_text(spec.name, MAX_NAME_LENGTH)
    if name in state.metric_specs or len(state.metric_specs) < MAX_SCALARS:
        state.metric_specs[name] = spec
    else:
        state.left_out += 1


def record_scalars(
    state: RunState,
    producer: ProducerState,
    record: Record,
    values: Mapping[str, float | None],
    step: int | None,
) -> None:
    """Add the values of one call to the histories of their names."""
    update = _update_of(producer)
    kept: dict[str, float] = {}
    for full_name, value in values.items():
        name = bounded_text(full_name, MAX_NAME_LENGTH)
        before = producer.scalars.get(name)
        if before is None and len(producer.scalars) >= MAX_SCALARS:
            _leave_out(state, producer, record, name)
        elif value is not None:
            kept[name] = value
            producer.scalars[name] = _after(before, value, update, step)
            _judge(state, producer, name, value, update)
    if kept and (observer := observer_of(state)) is not None:
        origin = Origin(state.events_folded, producer, record.epoch, record.emitted_ns, update, step)
        observer.scalars_recorded(origin, kept)


def own_symptoms(producer: ProducerState) -> Iterator[Symptom]:
    """Yield the symptoms of a producer's own metrics."""
    for streaks in producer.scalar_streaks.values():
        yield from streaks.symptoms()


def merged_scalars(
    producers: Sequence[ProducerState], specs: Mapping[str, MetricSpec]
) -> dict[str, ScalarState]:
    """Return the metrics of all ranks, each reduced as its description says, by default to the mean."""
    if len(producers) == 1:
        return dict(producers[0].scalars)
    by_name: dict[str, list[ScalarState]] = {}
    for producer in producers:
        for name, scalar in producer.scalars.items():
            by_name.setdefault(name, []).append(scalar)
    return {name: _merged(scalars, specs.get(name)) for name, scalars in by_name.items()}


def _update_of(producer: ProducerState) -> int:
    update = producer.logged.update
    return producer.last_update + (update is not None and update.makes_update)


def _after(before: ScalarState | None, value: float, update: int, step: int | None) -> ScalarState:
    """Return a metric with one more value, which replaces an earlier one of the same step."""
    if before is None:
        return ScalarState(value=value, update=update, step=step, history=(value,))
    repeated = step is not None and step == before.step
    kept = before.history[:-1] if repeated else before.history[-HISTORY_LENGTH + 1 :]
    return ScalarState(value=value, update=update, step=step, history=(*kept, value))


def _leave_out(state: RunState, producer: ProducerState, record: Record, name: str) -> None:
    state.left_out += 1
    if not producer.scalars_left_out:
        producer.scalars_left_out = True
        add_warning(
            state, record, f"More than {MAX_SCALARS} names were logged; {name} and others are left out."
        )


def _judge(state: RunState, producer: ProducerState, name: str, value: float, update: int) -> None:
    """Extend the streak of a metric whose value is beyond the bounds of its description."""
    spec = state.metric_specs.get(name)
    if spec is None or (bands := bands_of(spec)) == Bands():
        return
    streaks = producer.scalar_streaks.setdefault(name, Streaks())
    if not math.isfinite(value):
        streaks.extend((OWN_METRIC_ABOVE, name), None, update, value, below=False).mark_not_finite(update)
    elif bands.is_warning(value) or bands.is_critical(value):
        below = _is_below(bands, value)
        key = (OWN_METRIC_BELOW if below else OWN_METRIC_ABOVE, name)
        streak = streaks.extend(key, None, update, value, below=below)
        if bands.is_critical(value):
            streak.add_critical(update)
    streaks.end_observation()


def _is_below(bands: Bands, value: float) -> bool:
    return any(bound is not None and value < bound for bound in (bands.critical_below, bands.warning_below))


def _merged(scalars: Sequence[ScalarState], spec: MetricSpec | None) -> ScalarState:
    if len(scalars) == 1:
        return scalars[0]
    reduction = Reduction(spec.over_ranks) if spec else Reduction.MEAN
    length = min(len(scalar.history) for scalar in scalars)
    columns = zip(*(scalar.history[len(scalar.history) - length :] for scalar in scalars), strict=True)
    return ScalarState(
        value=reduce_values(reduction, [scalar.value for scalar in scalars]),
        update=max(scalar.update for scalar in scalars),
        step=_latest(scalar.step for scalar in scalars),
        history=_reduced(reduction, columns),
    )


def _reduced(reduction: Reduction, columns: Iterable[tuple[float | None, ...]]) -> History:
    return tuple([reduce_values(reduction, column) for column in columns])


def _latest(steps: Iterable[int | None]) -> int | None:
    return max((step for step in steps if step is not None), default=None)
