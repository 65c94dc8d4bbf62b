"""A history made from lists, which answers as that of a run does."""

import math
from array import array

from esper_schemas.history import Column, Marks, MarksQuestion, Place, Series, SeriesQuestion, Unanswered


class ListHistory:
    """The past of a run whose metrics are lists with a value for each update, None where there is none.

    Answers arrive at the next `answers()`. `asked` are the questions so far.
    """

    def __init__(self, metrics, marks=(), steps_per_update=100, started_s=1_700_000_000.0):
        self.metrics = metrics
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
        match question:
            case MarksQuestion():
                return Marks(Place(0), self.end(), tuple(self.marks))
            case SeriesQuestion():
                return self._series(question)
        return Unanswered("A history made from lists has no snapshots.")

    def end(self):
        """The last place."""
        length = max(map(len, self.metrics.values()), default=0)
        return Place(length, length, int((self.started_s + length) * 1e9))

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
