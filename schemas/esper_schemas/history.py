"""Questions about the past of a run and their answers: snapshots, marks, series.

A recorded run, a live one of this machine and one of another machine answer the same questions.
"""

from collections.abc import Iterator
from typing import Annotated, Literal, Protocol

import msgspec

from esper_schemas.snapshot import SanctumSnapshot

MOST_POINTS = 10_000
"""The largest number of points of a series in one answer."""
MOST_METRICS = 64
"""The largest number of metrics in one answer."""
MOST_MARKS = 10_000
"""The largest number of marks in one answer; the most severe remain."""

Axis = Literal["update", "env_step", "time"]
"""What a series is over: updates, environment steps, or seconds since 1970."""
MarkKind = Literal["finding", "anomaly", "checkpoint", "restart", "rank_lost", "note"]

_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]


class AtEvent(msgspec.Struct, frozen=True, tag="event"):
    """After the first `events` events of the log."""

    events: _Count


class AtUpdate(msgspec.Struct, frozen=True, tag="update"):
    """When this update was complete, before any event of a later one.

    If a resumed run made an update again, the later one is meant.
    """

    update: _Count


class AtTime(msgspec.Struct, frozen=True, tag="time"):
    """After the last event that was emitted at or before this time, in nanoseconds since 1970."""

    time_ns: int


Moment = AtEvent | AtUpdate | AtTime


class Place(msgspec.Struct, frozen=True):
    """A place in a log: after `events` events, in an update, at a time; None before the first of them."""

    events: int
    update: int | None = None
    time_ns: int | None = None


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened at a place: the onset of a finding, a checkpoint, a note.

    `title` is one short sentence; `severity` is that of a finding or anomaly; `rule` names a finding's rule.
    """

    place: Place
    kind: MarkKind
    title: str
    severity: Literal["notice", "warning", "critical"] | None = None
    rule: str = ""


class SnapshotQuestion(msgspec.Struct, frozen=True, tag="snapshot"):
    """Asks for the snapshot of a moment."""

    moment: Moment


class MarksQuestion(msgspec.Struct, frozen=True, tag="marks"):
    """Asks for the marks of the run, in the order of their places, and for its extent."""


class SeriesQuestion(msgspec.Struct, frozen=True, kw_only=True, tag="series"):
    """Asks for metrics between `first` and `last` (in units of `x`, both inclusive), in `points` buckets.

    Metrics are named as in a snapshot (`kl_divergence`, `heads.op.entropy`) or by the run itself.
    """

    metrics: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MOST_METRICS)]
    first: float | None = None
    last: float | None = None
    points: Annotated[int, msgspec.Meta(ge=1, le=MOST_POINTS)] = 1_000
    x: Axis = "update"


Question = SnapshotQuestion | MarksQuestion | SeriesQuestion


class PastSnapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """A snapshot and its place; the place is the end of the log if the moment is beyond it.

    `next_update` is the first update after that of the place which the log has, None if that is not known: a
    trainer may record some of its updates only.
    """

    place: Place
    snapshot: SanctumSnapshot
    next_update: int | None = None


class Marks(msgspec.Struct, frozen=True, tag="marks"):
    """The marks of a run, the place where its first update begins, and its last place."""

    first: Place
    last: Place
    marks: tuple[Mark, ...] = ()


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One metric in every bucket of a series.

    `minimum`, `mean`, `maximum` are over the finite values of the bucket, `last` is its last value of any
    kind; all are little-endian float64, and NaN where the bucket has no such value. `measured` counts the
    values of the bucket and `not_finite` those of them that are NaN or infinite, as little-endian uint32: a
    bucket without a value has `measured` 0, which differs from a measured NaN.
    """

    metric: str
    minimum: bytes
    mean: bytes
    maximum: bytes
    last: bytes
    measured: bytes
    not_finite: bytes


class Series(msgspec.Struct, frozen=True, kw_only=True, tag="series"):
    """The answer to a `SeriesQuestion`: `x`, the first value of every bucket (float64), and the columns.

    A metric that the run never measured has no column. In a run that was resumed from an earlier update,
    `earlier` has the values that were made again, in buckets of their own, `earlier_x`.
    """

    x: bytes
    axis: Axis
    columns: tuple[Column, ...] = ()
    earlier_x: bytes = b""
    earlier: tuple[Column, ...] = ()


class Unanswered(msgspec.Struct, frozen=True, tag="unanswered"):
    """Why there is no answer, in one sentence; `temporary` if the same question may be answered later."""

    text: str
    temporary: bool = False


Answer = PastSnapshot | Marks | Series | Unanswered


class History(Protocol):
    """Answers questions about one run; no call blocks, and none raises for what was received or read."""

    def ask(self, question: Question) -> int:
        """Ask a question; returns the number that its answer will have."""
        ...

    def answers(self) -> Iterator[tuple[int, Answer]]:
        """Yield the answers that have arrived since the last call, each with its number."""
        ...

    def close(self) -> None:
        """Release sockets, threads and files."""
        ...
