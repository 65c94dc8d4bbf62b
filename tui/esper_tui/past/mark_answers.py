"""The marks and the extent of the run that is shown, asked for again when it has grown."""

from esper_schemas.history import Answer, Marks, MarksQuestion, Place
from esper_tui.past.run_history import RunHistory

ASK_AGAIN_S = 2.0
NO_MARKS = Marks(Place(0), Place(0))


class MarkAnswers:
    """The newest marks, and the ends of the run; none before they are known."""

    def __init__(self, history: RunHistory) -> None:
        self._history = history
        self._run = ""
        self._asked_s = 0.0
        self._asked_at: object = None
        self._waiting = False
        self.answer = NO_MARKS

    def want(self, grown_to: object, now_s: float) -> None:
        """Ask for the marks if the run has grown since they were asked for, at most every few seconds."""
        if self._run != self._history.run:
            self._run, self.answer, self._waiting, self._asked_at = self._history.run, NO_MARKS, False, None
        elif self._waiting or self._asked_at == grown_to or now_s - self._asked_s < ASK_AGAIN_S:
            return
        run, self._waiting, self._asked_at, self._asked_s = self._run, True, grown_to, now_s
        self._history.ask(MarksQuestion(), lambda answer: self._receive(run, answer))

    def _receive(self, run: str, answer: Answer) -> None:
        if run == self._run:
            self._waiting = False
            if isinstance(answer, Marks):
                self.answer = answer
