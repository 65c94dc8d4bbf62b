"""Answers questions about a run's series: a function of its rows and the question."""

from collections.abc import Mapping

from esper_aggregator.series.buckets import bucket_starts, column_of, within
from esper_aggregator.series.collected_rows import SCALARS_PREFIX
from esper_aggregator.series.points import points_of
from esper_aggregator.series.run_series import RunSeries
from esper_schemas.aliases import HEADS_PREFIX
from esper_schemas.heads import HEADS
from esper_schemas.history import Series, SeriesQuestion
from esper_schemas.metrics.catalogue import head_field


def answer_series(series: RunSeries, question: SeriesQuestion) -> Series:
    """Return the buckets of all metrics that the run has measured in the range of the question."""
    named = {metric: column_name(metric, series.names) for metric in question.metrics}
    found = {
        metric: within(points_of(series, name, question.x), question.first, question.last)
        for metric, name in named.items()
        if name is not None
    }
    starts = bucket_starts(list(found.values()), question.points)
    columns = tuple(column_of(metric, points, starts) for metric, points in found.items())
    return Series(x=starts.astype("<f8", copy=False).tobytes(), axis=question.x, columns=columns)


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
