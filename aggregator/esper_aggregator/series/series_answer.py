"""Answers questions about a run's series: a function of its rows and the question."""

from collections.abc import Mapping, Sequence

from msgspec import structs

from esper_aggregator.series.buckets import are_same, bucket_starts, column_of, within
from esper_aggregator.series.collected_rows import SCALARS_PREFIX
from esper_aggregator.series.points import Points, points_of
from esper_aggregator.series.row_block import Floats
from esper_aggregator.series.run_series import RunSeries
from esper_schemas.aliases import HEADS_PREFIX
from esper_schemas.heads import HEADS
from esper_schemas.history import Column, Series, SeriesQuestion
from esper_schemas.metrics.catalogue import head_field


def answer_series(series: RunSeries, question: SeriesQuestion) -> Series:
    """Return the buckets of all metrics that the run has measured in the range of the question."""
    named = {metric: column_name(metric, series.names) for metric in question.metrics}
    measured = {metric: name for metric, name in named.items() if name is not None}
    answer = _of_same_places(series, question, measured) or _of_any_places(series, question, measured)
    if series.earlier is None:
        return answer
    again = _of_any_places(series.earlier, question, measured)
    earlier = tuple(column for column in again.columns if any(column.measured))
    return structs.replace(answer, earlier_x=again.x, earlier=earlier)


def _of_same_places(series: RunSeries, question: SeriesQuestion, names: Mapping[str, str]) -> Series | None:
    """Return the buckets of metrics that were all measured in the same places; None if they were not.

    Only the values of one metric are in memory at a time.
    """
    places: Floats | None = None
    starts = bucket_starts([], question.points)
    columns = []
    for metric, name in names.items():
        points = _points(series, question, name)
        if places is None:
            places, starts = points.x, bucket_starts([points], question.points)
        elif not are_same(points.x, places):
            return None
        columns.append(column_of(metric, points, starts))
    return _series(question, starts, columns)


def _of_any_places(series: RunSeries, question: SeriesQuestion, names: Mapping[str, str]) -> Series:
    found = {metric: _points(series, question, name) for metric, name in names.items()}
    starts = bucket_starts(list(found.values()), question.points)
    return _series(question, starts, [column_of(metric, points, starts) for metric, points in found.items()])


def _points(series: RunSeries, question: SeriesQuestion, name: str) -> Points:
    return within(points_of(series, name, question.x), question.first, question.last)


def _series(question: SeriesQuestion, starts: Floats, columns: Sequence[Column]) -> Series:
    x = starts.astype("<f8", copy=False).tobytes()
    return Series(x=x, axis=question.x, columns=tuple(columns))


def column_name(metric: str, names: Mapping[str, None]) -> str | None:
    """Return the column of a metric, named as in a snapshot or by the run itself; None if there is none."""
    candidates = [metric, SCALARS_PREFIX + metric, *_of_head(metric)]
    return next((name for name in candidates if name in names), None)


def _of_head(metric: str) -> list[str]:
    """Return the columns that `heads.HEAD.FAMILY` may name."""
    prefix, _, rest = metric.partition(".")
    head, _, family = rest.rpartition(".")
    if prefix != HEADS_PREFIX.rstrip("/") or not head:
        return []
    tamiyo = [head_field(head, family)] if head in HEADS else []
    return [f"{HEADS_PREFIX}{head}/{family}", *tamiyo]
