"""The history of the run that is shown, and who waits for which of its answers."""

from collections.abc import Callable

from esper_schemas.history import Answer, History, Question, Unanswered

OpenHistory = Callable[[str], History]
"""Opens the history of a run by its name."""

NO_HISTORY = Unanswered("The past of this run is not available from here.")


class RunHistory:
    """Asks one history on behalf of several parts of the screen, each of which receives its own answers.

    Without `open_history` every question is unanswered. Answers about a run that is no longer shown are
    dropped.
    """

    def __init__(self, open_history: OpenHistory | None = None) -> None:
        self._open = open_history
        self._history: History | None = None
        self._receivers: dict[int, Callable[[Answer], None]] = {}
        self.run = ""

    def show(self, run: str) -> None:
        """Turn to the history of another run; nothing happens if it is the same one."""
        if run != self.run:
            self.close()
            self.run = run

    def ask(self, question: Question, receive: Callable[[Answer], None]) -> None:
        """Ask about the run that is shown; `receive` is called by a later `deliver`, or at once without a
        history. The history is opened by the first question.
        """
        if self._open is None or not self.run:
            receive(NO_HISTORY)
            return
        if self._history is None:
            self._history = self._open(self.run)
        self._receivers[self._history.ask(question)] = receive

    @property
    def is_waiting(self) -> bool:
        """Whether a question has no answer yet."""
        return bool(self._receivers)

    def deliver(self) -> None:
        """Pass on the answers that have arrived."""
        for number, answer in self._history.answers() if self._history else ():
            if receive := self._receivers.pop(number, None):
                receive(answer)

    def close(self) -> None:
        """Release the history; questions without an answer are forgotten."""
        if self._history is not None:
            self._history.close()
        self._history, self.run = None, ""
        self._receivers.clear()
