"""A history made from lists, which answers as that of a run does."""

import math
from array import array

from esper_schemas.history import (
    AtEvent,
    AtTime,
    AtUpdate,
    Column,
    Marks,
    MarksQuestion,
    PastSnapshot,
    Place,
    Series,
    SeriesQuestion,
    SnapshotQuestion,
    Unanswered,
)
from esper_schemas.snapshot import EMPTY_SNAPSHOT


class ListHistory:
    """The past of a run whose metrics are lists with a value for each update, None where there is none.

    `snapshots` are those of its updates, each of which has one event and takes a second. Answers arrive at
    the next `answers()`. `asked` are the questions so far; `refusal`, if it is set, is the answer to all.
    """

    def __init__(self, metrics, marks=(), steps_per_update=100, started_s=1_700_000_000.0, snapshots=()):
        self.metrics = metrics
        self.snapshots = dict(snapshots)
        self.refusal = None
        self.marks = marks
        self.steps_per_update = steps_per_update
        self.started_s = started_s
        self.asked = []
        self.is_closed = False
        self._waiting = []

    def ask(self, question):
        """Number the questions by their order."""
        self.asked.append(question)
        self._waiting.append((len(self.asked), question))
        return len(self.asked)

    def answers(self):
        """Yield the answers to all questions since the last call."""
        waiting, self._waiting = self._waiting, []
        for number, question in waiting:
            yield number, self._answer(question)

    def close(self):
        """Note that it was closed."""
        self.is_closed = True

    def _answer(self, question):
        if self.refusal is not None:
            return self.refusal
        match question:
            case SnapshotQuestion(moment) if self.snapshots:
                return self._snapshot(moment)
            case MarksQuestion():
                return Marks(Place(0), self.end(), tuple(self.marks))
            case SeriesQuestion():
                return self._series(question)
        return Unanswered("A history made from lists has no snapshots.")

    def _snapshot(self, moment):
        match moment:
            case AtUpdate(update):
                limit = update
            case AtEvent(events):
                limit = events
            case AtTime(time_ns):
                limit = int(time_ns / 1e9 - self.started_s)
        update = max((u for u in self.snapshots if u <= limit), default=None)
        if update is None:
            return PastSnapshot(Place(0), EMPTY_SNAPSHOT)
        return PastSnapshot(self.place(update), self.snapshots[update])

    def place(self, update):
        """The place of an update."""
        return Place(update, update, int((self.started_s + update) * 1e9))

    def end(self):
        """The last place."""
        if self.snapshots:
            return self.place(max(self.snapshots))
        length = max(map(len, self.metrics.values()), default=0)
        return Place(length, length - 1, int((self.started_s + length - 1) * 1e9))

    def x_of(self, update, axis):
        """Where an update is on an axis: it takes a second and `steps_per_update` steps."""
        match axis:
            case "env_step":
                return float(update * self.steps_per_update)
            case "time":
                return self.started_s + update
        return float(update)

    def _series(self, question):
        length = max(map(len, self.metrics.values()), default=0)
        kept = [u for u in range(length) if self._is_within(self.x_of(u, question.x), question)]
        size = max(math.ceil(len(kept) / question.points), 1)
        buckets = [kept[at : at + size] for at in range(0, len(kept), size)]
        columns = tuple(column(m, self.metrics[m], buckets) for m in question.metrics if m in self.metrics)
        x = doubles(self.x_of(bucket[0], question.x) for bucket in buckets)
        return Series(x=x, axis=question.x, columns=columns)

    def _is_within(self, x, question):
        first = -math.inf if question.first is None else question.first
        last = math.inf if question.last is None else question.last
        return first <= x <= last


def doubles(values):
    """Numbers as an answer has them."""
    return array("d", values).tobytes()


def counts(values):
    """Counts as an answer has them."""
    return array("I", values).tobytes()


def column(metric, values, buckets):
    """The answer for one metric."""
    found = [[values[u] for u in bucket if u < len(values) and values[u] is not None] for bucket in buckets]
    finite = [[value for value in bucket if math.isfinite(value)] for bucket in found]
    return Column(
        metric=metric,
        minimum=doubles(min(bucket, default=math.nan) for bucket in finite),
        mean=doubles(sum(b) / len(b) if b else math.nan for b in finite),
        maximum=doubles(max(bucket, default=math.nan) for bucket in finite),
        last=doubles(bucket[-1] if bucket else math.nan for bucket in found),
        measured=counts(map(len, found)),
        not_finite=counts(len(a) - len(f) for a, f in zip(found, finite, strict=True)),
    )
