"""A run of a program that writes logs: it begins with the first value, and ends with its writer."""

import threading
from collections.abc import Mapping
from typing import Any

from esper_lite.integrations.facts import facts_from, settings_of_table
from esper_lite.integrations.recording import Recording, guarded


class LoggedRun:
    """Records what a writer of logs gets. Settings that come before the first value describe the run.

    task: the task, unless a setting names it. No method raises an exception.
    """

    def __init__(self, recording: Recording, task: str = "") -> None:
        self._recording = recording
        self._task = task
        self._settings: dict[str, Any] = {}
        self._texts: list[tuple[str, str]] = []
        self._beginning = threading.Lock()
        self.ignored: dict[str, int] = {}

    @guarded
    def values(self, values: Mapping[str, Any], step: Any = None, time: float | None = None) -> None:
        """Record values; the first ones open the run."""
        self._begin()
        self._recording.log(values, _whole(step), time)

    @guarded
    def text(self, tag: str, text: str) -> None:
        """Record a text: a table of settings, or else a line of the log."""
        settings = settings_of_table(text)
        if settings:
            self.settings(settings)
        elif self._recording.is_open:
            self._recording.note(text, tag=tag)
        else:
            self._texts.append((tag, text))

    @guarded
    def settings(self, settings: Mapping[str, Any]) -> None:
        """Record the settings of the program."""
        if self._recording.is_open:
            self._recording.note("settings", **settings)
        else:
            self._settings |= settings

    @guarded
    def ignore(self, kind: str) -> None:
        """Count what cannot be recorded, such as an image; the log of the run names it once."""
        self.ignored[kind] = self.ignored.get(kind, 0) + 1
        if self.ignored[kind] == 1:
            self.text("esper", f"{kind} is not recorded: only numbers, texts and settings are.")

    @guarded
    def finish(self, error: BaseException | None = None) -> None:
        """End the run. It is not opened if there was no value, and further values continue it."""
        self._recording.finish_after(error)

    def _begin(self) -> None:
        with self._beginning:
            if self._recording.is_open:
                return
            facts = facts_from(self._settings, self._task)
            self._recording.start(facts, resume=self._recording.has_ended)
            texts, self._texts = self._texts, []
        for tag, text in texts:
            self._recording.note(text, tag=tag)


def _whole(step: Any) -> int | None:
    """Return a step of any type of number; None for one that is not a number."""
    try:
        return None if step is None else int(step)
    except (TypeError, ValueError, OverflowError):
        return None
