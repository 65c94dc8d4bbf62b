"""Recording on behalf of a library: what fails here is logged, and the training continues."""

import atexit
import logging
import sys
import weakref
from collections.abc import Callable, Mapping
from functools import wraps
from itertools import count
from pathlib import Path
from traceback import walk_tb
from typing import Any, TypeVar

import msgspec

import esper_lite
from esper_bus.rate_limited_log import LogMessage
from esper_lite.integrations.facts import merged
from esper_lite.launch import rank_and_world_size
from esper_lite.telemetry import Outcome, Telemetry, how_it_ended
from esper_schemas.errors import RunExists
from esper_schemas.events import Event, LogRecorded, RunStarted

_UNFINISHED = "The training did not reach its end."
_LOG = logging.getLogger("esper.lite.integrations")

Target = Telemetry | str | None
"""Where to record: telemetry that the program opened, the name of a run, or None for a name by the task."""


class Recording:
    """One process of a run, recorded for a library that does not know about Esper.

    target: telemetry, which the program closes; or the name of a run, which `start` opens and `finish` ends.
    options: keywords of `esper_lite.connect`; what `started` leaves out comes from the library.
    library: its name, for messages. reports_end: whether the library reports the end of a training; a run
    that is open at the end of the program is then interrupted, else completed.

    No method raises an exception.
    """

    def __init__(
        self, target: Target, options: Mapping[str, Any], library: str, *, reports_end: bool = True
    ) -> None:
        self._given = target if isinstance(target, Telemetry) else None
        self._telemetry = self._given
        self._run = target if isinstance(target, str) else None
        self._options = dict(options)
        self._started: RunStarted | None = self._options.pop("started", None)
        self._library, self._reports_end = library, reports_end
        self._opened_run: str | None = None
        self._trainer: Callable[[], object] | None = None
        self._warned: set[str] = set()

    @property
    def is_open(self) -> bool:
        """Whether events are recorded; False if the run could not be opened."""
        return self._telemetry is not None

    @property
    def has_ended(self) -> bool:
        """Whether the recording opened a run and ended it."""
        return self._telemetry is None and self._opened_run is not None

    def start(self, facts: RunStarted, *, trainer: object = None, resume: bool = False) -> None:
        """Open the run, unless the program opened it.

        trainer: the object that trains. Only an exception that went through one of its methods is recorded
        as the reason for which the run failed. resume: continue the run that this recording ended before.
        """
        if self._telemetry is not None:
            return
        try:
            if trainer is not None:
                self.expect_end_of(trainer)
            started = merged(self._started, facts)
            if not started.task:
                started = msgspec.structs.replace(started, task=self._run or "")
            self._telemetry = self._opened(started, resume=resume)
            self._opened_run = Path(self._telemetry.stats.spool).absolute().parents[1].name
        except Exception as error:
            self.failed("start", error)
        else:
            atexit.register(self.finish_at_exit)

    def expect_end_of(self, trainer: object) -> None:
        """Regard the run as unfinished until its end is reported, with an exception of this trainer only."""
        self._reports_end, self._trainer = True, weakref.ref(trainer)

    def log(self, values: Mapping[str, Any], step: int | None = None, time: float | None = None) -> None:
        """Record values under the names of the library."""
        if self._telemetry is not None:
            self._telemetry.log(values, step, time)

    def emit(self, event: Event) -> None:
        """Record an event."""
        if self._telemetry is not None:
            self._telemetry.emit(event)

    def note(self, message: str, **fields: Any) -> None:
        """Record a line of the program's log."""
        self.emit(LogRecorded(level="info", message=message, fields=fields))

    def finish(self, outcome: Outcome = "completed", reason: str = "") -> None:
        """End the run, unless the program opened it."""
        telemetry = self._telemetry
        if telemetry is None or telemetry is self._given:
            return
        self._telemetry = None
        atexit.unregister(self.finish_at_exit)
        try:
            telemetry.close(outcome, reason)
        except Exception as error:
            self.failed("finish", error)

    def finish_after(self, error: BaseException | None) -> None:
        """End the run because of an exception that is being handled, or because all is done."""
        self.finish(*how_it_ended(error))

    def finish_at_exit(self) -> None:
        """End a run whose end was not reported: the program, or the object that records it, ends."""
        error = getattr(sys, "last_exc", getattr(sys, "last_value", None))
        if error is not None and self._concerns(error):
            self.finish_after(error)
        elif self._reports_end:
            self.finish("interrupted", _UNFINISHED)
        else:
            self.finish()

    def failed(self, where: str, error: Exception) -> None:
        """Log a failure, the first time that it happens in a place."""
        if where in self._warned:
            return
        self._warned.add(where)
        event = "the training is not recorded" if where == "start" else "recording failed; training continues"
        text = f"{type(error).__name__}: {error}".removesuffix(": ")
        reason = str(error) if isinstance(error, esper_lite.EsperError) else text
        _LOG.warning(LogMessage(event, library=self._library, where=where, reason=reason))

    def _opened(self, started: RunStarted, *, resume: bool) -> Telemetry:
        """Connect. A run whose name is taken gets a number, unless other ranks need the same name."""
        options = self._options
        if resume:
            return esper_lite.connect(self._opened_run, started=started, **options | {"resume": True})
        try:
            return esper_lite.connect(self._run, started=started, **options)
        except RunExists:
            if rank_and_world_size(options.get("rank"), options.get("world_size"))[1] > 1:
                raise
        return self._opened_as_another(started)

    def _opened_as_another(self, started: RunStarted) -> Telemetry:
        for number in count(2):
            name = f"{self._run}-{number}"
            try:
                telemetry = esper_lite.connect(name, started=started, **self._options)
            except RunExists:
                continue
            _LOG.warning(LogMessage("the run exists already", run=self._run, recorded_as=name))
            return telemetry
        raise AssertionError  # names do not run out

    def _concerns(self, error: BaseException) -> bool:
        """Whether an uncaught exception ended this training, and not something else of the program."""
        if self._trainer is None:
            return True
        trainer = self._trainer()
        frames = (frame for frame, _ in walk_tb(error.__traceback__))
        return trainer is not None and any(frame.f_locals.get("self") is trainer for frame in frames)


def is_number(value: Any) -> bool:
    """Whether a logged value is a number, also one of another library, and not a text, figure or array."""
    return hasattr(value, "__float__") and getattr(value, "ndim", 0) == 0


_Method = TypeVar("_Method", bound=Callable[..., Any])


def guarded(method: _Method) -> _Method:
    """Log an exception of a method and return None, so that the library that calls it continues.

    The method's object has its recording in `_recording`.
    """

    @wraps(method)
    def call(self: Any, *arguments: Any, **keywords: Any) -> Any:
        try:
            return method(self, *arguments, **keywords)
        except Exception as error:  # also what another version of the library lacks
            self._recording.failed(method.__name__, error)
        return None

    return call  # type: ignore[return-value]
