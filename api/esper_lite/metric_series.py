"""A metric over a whole run, as buffers."""

from typing import NamedTuple, get_args

from esper_schemas.errors import InvalidArgument
from esper_schemas.history import MOST_POINTS, Axis, Series, SeriesQuestion


class MetricSeries(NamedTuple):
    """A metric over a run, in buckets; `np.asarray` takes each of the buffers without copying it.

    `x` is the first update, environment step or time (seconds since 1970) of each bucket. `minimum`, `mean`
    and `maximum` are over its finite values, `last` is its last value of any kind. `measured` counts its
    values, and `not_finite` those of them that are NaN or infinite.
    """

    metric: str
    axis: Axis
    x: "memoryview[float]"
    mean: "memoryview[float]"
    minimum: "memoryview[float]"
    maximum: "memoryview[float]"
    last: "memoryview[float]"
    measured: "memoryview[int]"
    not_finite: "memoryview[int]"


def question_about(
    metric: str, first: float | None, last: float | None, points: int, x: Axis
) -> SeriesQuestion:
    """Return a question about one metric. Raises `InvalidArgument` for one that cannot be asked."""
    if not 1 <= points <= MOST_POINTS:
        raise InvalidArgument(f"points={points} is not possible; pass 1 to {MOST_POINTS}.")
    if x not in get_args(Axis):
        raise InvalidArgument(f"x={x!r} is not an axis; pass one of {', '.join(map(repr, get_args(Axis)))}.")
    return SeriesQuestion(metrics=(metric,), first=first, last=last, points=points, x=x)


def metric_series(run: str, metric: str, series: Series) -> MetricSeries:
    """Return the answer to a question about one metric. Raises `InvalidArgument` if it has no values."""
    if not series.columns:
        raise InvalidArgument(
            f"The run {run} has no values of {metric!r}; pass a metric that it measured or logged."
        )
    column = series.columns[0]
    return MetricSeries(
        metric=metric,
        axis=series.axis,
        x=memoryview(series.x).cast("d"),
        mean=memoryview(column.mean).cast("d"),
        minimum=memoryview(column.minimum).cast("d"),
        maximum=memoryview(column.maximum).cast("d"),
        last=memoryview(column.last).cast("d"),
        measured=memoryview(column.measured).cast("I"),
        not_finite=memoryview(column.not_finite).cast("I"),
    )
