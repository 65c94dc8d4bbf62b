"""The curves that a part of the screen shows: asked for again when the run has grown, never twice at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from esper_schemas.history import MOST_METRICS, Answer, Axis, Series, SeriesQuestion, Unanswered
from esper_tui.charts.curve import Curve, curves_of
from esper_tui.past.run_history import RunHistory

ASK_AGAIN_S = 1.0
"""The shortest time between two questions about the same part of a growing run."""


class SeriesWish(NamedTuple):
    """The metrics to show, between two places or all of the run, in how many buckets, and over which axis."""

    metrics: tuple[str, ...]
    window: tuple[float, float] | None = None
    points: int = 1_000
    axis: Axis = "update"

    def questions(self) -> Iterator[SeriesQuestion]:
        """The questions to ask: several if there are more metrics than one answer may have."""
        first, last = self.window or (None, None)
        for start in range(0, len(self.metrics), MOST_METRICS):
            metrics = self.metrics[start : start + MOST_METRICS]
            yield SeriesQuestion(metrics=metrics, first=first, last=last, points=self.points, x=self.axis)


@dataclass(slots=True)
class _Asked:
    """A wish that waits for its answers."""

    wish: SeriesWish
    missing: int
    curves: dict[str, Curve] = field(default_factory=dict)


class SeriesAnswers:
    """The newest curves of a run, and why there are none.

    `curves` is replaced as a whole by every complete answer; it is one to `shown`. `problem` is a sentence if
    the history has no series; then none is asked for again before another run is shown.
    """

    def __init__(self, history: RunHistory) -> None:
        self._history = history
        self._asked_s = 0.0
        self._asked_at: object = None
        self._run = ""
        self.forget()

    def forget(self) -> None:
        """Drop all curves."""
        self.curves: Mapping[str, Curve] = {}
        self.shown: SeriesWish | None = None
        self.problem = ""
        self._asked: _Asked | None = None
        self._last_wish: SeriesWish | None = None

    def want(self, wish: SeriesWish, grown_to: object, now_s: float) -> None:
        """Ask for curves unless those of this wish are known or on their way.

        `grown_to` differs whenever the run has grown, upon which they are asked for again after a while.
        """
        if self._run != self._history.run:
            self._run = self._history.run
            self.forget()
        if self.problem or not wish.metrics:
            return
        newest = self._asked.wish if self._asked else self._last_wish
        is_due = self._asked is None and self._asked_at != grown_to and now_s - self._asked_s >= ASK_AGAIN_S
        if newest != wish or is_due:
            self._ask(wish, grown_to, now_s)

    def _ask(self, wish: SeriesWish, grown_to: object, now_s: float) -> None:
        questions = list(wish.questions())
        self._asked = asked = _Asked(wish, len(questions))
        self._asked_at, self._asked_s = grown_to, now_s
        for question in questions:
            self._history.ask(question, lambda answer: self._receive(asked, answer))

    def _receive(self, asked: _Asked, answer: Answer) -> None:
        """Take an answer; one to a wish that has been replaced is dropped."""
        if asked is not self._asked:
            return
        self._last_wish = asked.wish
        if isinstance(answer, Series):
            asked.curves |= curves_of(answer)
            asked.missing -= 1
            if not asked.missing:
                self.curves, self.shown, self._asked = asked.curves, asked.wish, None
        elif isinstance(answer, Unanswered):
            self._asked, self._asked_at = None, None
            self.problem = "" if answer.temporary else answer.text
