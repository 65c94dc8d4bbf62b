"""Records a training in memory, and the trainings that branch off from it with a fault.

At the update at which faults begin, the process forks for each of them: the child injects the fault and
continues, so that up to there it is the same training as its healthy twin.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.verdicts.recording_file import SUFFIX, Recording, write_recording
from benchmarks.verdicts.table import Base, Fault, recording_name
from benchmarks.verdicts.trainers.tasks import TrueReturn

from esper_bus.emit.emitter import EmitterReport, NullEmitter
from esper_lite import Telemetry
from esper_schemas.codec import decode_event, encode_event
from esper_schemas.events import (
    DecisionMade,
    DecodedEvent,
    EpisodeCompleted,
    Event,
    RunStarted,
    SeedStageChanged,
)

_NOT_NEEDED = (DecisionMade, EpisodeCompleted, SeedStageChanged)

Inject = Callable[[Fault], None]


class FinishedError(Exception):
    """Raised in a training that has made all updates that are recorded."""


class MemoryEmitter(NullEmitter):
    """Keeps events as a reader of the log would decode them.

    Those that no rule needs are left out: decisions, stages, and the results of single episodes where a
    library logs their mean.
    """

    def __init__(self) -> None:
        self.events: list[DecodedEvent] = []

    def emit(self, event: Event, emitted_ns: int | None = None) -> None:
        """Keep an event."""
        if not isinstance(event, _NOT_NEEDED):
            decoded = decode_event(encode_event(event))
            assert isinstance(decoded, Event), decoded
            self.events.append(decoded)

    @property
    def stats(self) -> EmitterReport:
        """Nothing is lost."""
        return EmitterReport()


class Session:
    """One training that is recorded, with the faults that branch off from it.

    updates: the length of the training without a fault; 0 if it is not recorded itself. inject: set by the
    trainer before its first update; puts a fault into its own objects.
    """

    def __init__(self, base: Base, updates: int, faults: Sequence[Fault], directory: Path) -> None:
        self.base = base
        self.inject: Inject = _nothing
        self._end, self._faults, self._directory = updates, faults, directory
        self._update, self._length = 1, updates or base.updates
        self._emitter = MemoryEmitter()
        self._recording = Recording(trainer=base.trainer, task=base.task, seed=base.seed)
        self._fault: Fault | None = None
        self._true_return: float | None = None

    def telemetry(self, started: RunStarted) -> Telemetry:
        """Open telemetry that is kept in memory."""
        self._telemetry = Telemetry(self._emitter, started)
        return self._telemetry

    def true_return(self, value: float) -> None:
        """Note the true mean return of a rollout, where `TrueReturn` does not add it up."""
        self._true_return = value

    def learning_rate(self, at_first: float) -> float:
        """The learning rate of the present update."""
        if not self.base.annealed:
            return at_first
        return at_first * max(0.0, 1.0 - (self._update - 1) / self._length)

    def begin_update(self, update: int) -> None:
        """Mark the end of the update before; branch off, or raise `FinishedError` after the last update."""
        self._update = update
        if update > self._recording.begins:
            self._mark()
        if self._fault is None and update == self.base.fault_begins:
            for fault in self._faults:
                if self._branch_off(fault, update):
                    return
        if update > max(self._end, self.base.fault_begins - 1):
            raise FinishedError

    def run(self, train: Callable[["Session"], object]) -> None:
        """Train, and write the recording; a child process ends here."""
        began = time.process_time()
        torch.set_num_threads(1)  # a forked process has no other threads, and would wait for them
        try:
            train(self)
        except FinishedError:
            pass
        except Exception as error:  # a fault may well end a training
            if self._fault is None:
                raise
            print(f"{self.base.name}, {self._fault.name}: {error!r:.200}", file=sys.stderr)
            self._recording.ended = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            self._mark()
        if self._end:
            self._write(time.process_time() - began)
        if self._fault is not None:
            sys.stdout.flush()
            os._exit(0)

    def _branch_off(self, fault: Fault, update: int) -> bool:
        """Fork; return whether this is the child, in which the fault begins."""
        sys.stdout.flush()
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return False
        self._fault, self._end = fault, update + fault.updates - 1
        self._emitter.events.clear()
        self._recording = Recording(
            trainer=self.base.trainer,
            task=self.base.task,
            seed=self.base.seed,
            fault=fault.name,
            twin=self.base.name,
            begins=update,
        )
        self._telemetry._pid = os.getpid()  # else it would record no updates of a forked process
        self.inject(fault)
        return True

    def _mark(self) -> None:
        recording, finished = self._recording, TrueReturn.finished
        own = float("nan") if not finished else float(np.mean(finished))
        recording.true_returns.append(own if self._true_return is None else self._true_return)
        recording.marks.append(len(self._emitter.events))
        finished.clear()
        self._true_return = None

    def _write(self, seconds: float) -> None:
        recording = self._recording
        recording.events = self._emitter.events[: recording.marks[-1]]
        path = self._directory / (recording_name(self.base, self._fault) + SUFFIX)
        write_recording(path, recording)
        returns = [value for value in recording.true_returns if value == value]
        shown = f"{np.mean(returns[:10]):.4g} -> {np.mean(returns[-10:]):.4g}" if returns else "no episodes"
        print(
            f"{path.stem}: {len(recording.marks)} updates, return {shown}, {path.stat().st_size} bytes, "
            f"{seconds:.0f} s{', ' * bool(recording.ended)}{recording.ended}",
            flush=True,
        )


def _nothing(fault: Fault) -> None:
    raise AssertionError("the trainer cannot inject a fault")


def facts(base: Base, **settings: Any) -> RunStarted:
    """The start of a recorded run; `config` has the settings that rules look at."""
    fields = {name: settings.pop(name) for name in list(settings) if name in RunStarted.__struct_fields__}
    return RunStarted(task=base.task, seed=base.seed, config=settings, **fields)
