"""Records everything that a program writes for TensorBoard, with one line before the training.

    from esper_lite.integrations.mirror_tensorboard import mirror_tensorboard

    mirror_tensorboard()

It covers the writers in Python: torch, CleanRL, rsl_rl, skrl, TorchRL and others use that of `tensorboard`,
some use that of `tensorboardX`. `tf.summary` of TensorFlow is not covered. The event files stay as they are.
"""

import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from esper_lite.importing import event_messages
from esper_lite.integrations.logged_run import LoggedRun
from esper_lite.integrations.recording import Recording, Target, guarded
from esper_lite.launch import name_from

_LIBRARY = "tensorboard"
_MODULES = ("tensorboard.summary.writer.event_file_writer", "tensorboardX.event_file_writer")


def mirror_tensorboard(run: Target = None, **options: Any) -> "Mirror":
    """Record what is written for TensorBoard from now on, until `undo()` of the result.

    run: name of the run, by default that of the writer's directory; or open telemetry. options: the keywords
    of `esper_lite.connect`. Each directory is one run, with the directories below it. A run begins with its
    first value and ends when its writer is closed, or with the program.
    """
    mirror = Mirror(run, options)
    mirror.start()
    return mirror


class _Place(NamedTuple):
    """The run to which the directory of a writer belongs, and the path from there; `plugins` by tag."""

    run: LoggedRun | None
    below: str
    plugins: dict[str, str]


class Mirror:
    """Wraps the methods by which TensorBoard's writers add events and are closed."""

    def __init__(self, run: Target, options: dict[str, Any]) -> None:
        self._target = run
        self._options = options
        self._recording = Recording(run, options, _LIBRARY)  # only reports failures
        self._places: dict[str, _Place] = {}
        self._runs: dict[Path, LoggedRun | None] = {}
        self._wrapped: list[tuple[type, str, Callable[..., Any], Callable[..., Any]]] = []

    @guarded
    def start(self) -> None:
        """Wrap the writers of all libraries that are installed."""
        installed = [name for name in _MODULES if find_spec(name.partition(".")[0])]
        if not installed:
            raise ImportError("neither tensorboard nor tensorboardX is installed; install one of them")
        for name in installed:
            writer = import_module(name).EventFileWriter
            self._wrap(writer, "add_event", self._added)
            self._wrap(writer, "close", self._closed)

    def undo(self) -> None:
        """Stop recording: the writers get their own methods again, and open runs end."""
        for writer, name, wrapper, original in self._wrapped:
            if writer.__dict__.get(name) is wrapper:
                setattr(writer, name, original)
        self._wrapped.clear()
        for run in self._runs.values():
            if run is not None:
                run.finish()

    def __enter__(self) -> "Mirror":
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()

    def _wrap(self, writer: type, name: str, then: Callable[..., None]) -> None:
        original = getattr(writer, name)

        @wraps(original)
        def wrapper(this: Any, *arguments: Any, **keywords: Any) -> Any:
            result = original(this, *arguments, **keywords)
            if self._wrapped:
                then(this, *arguments, **keywords)
            return result

        self._wrapped.append((writer, name, wrapper, original))
        setattr(writer, name, wrapper)

    @guarded
    def _added(self, writer: Any, event: Any) -> None:
        """Record the values of an event; the first one of a file has none."""
        if not event.summary.value:
            return
        run, below, plugins = self._place_of(writer.get_logdir())
        if run is None:
            return
        message = event_messages.parse_event(event.SerializeToString(), plugins)
        values = {_name(tag, below): number for tag, number in message.scalars}
        if values:
            run.values(values, message.step or None, message.wall_time)  # 0 also stands for no step
        for other in message.others:
            _record(run, other)

    @guarded
    def _closed(self, writer: Any) -> None:
        """End the run of a directory, but not with a writer below it."""
        run = self._runs.get(Path(writer.get_logdir()).resolve())
        if run is not None:
            run.finish(sys.exception())

    def _place_of(self, logdir: str) -> _Place:
        if logdir not in self._places:
            directory = Path(logdir).resolve()
            base = next((at for at in (directory, *directory.parents) if at in self._runs), directory)
            if base not in self._runs:
                self._runs[base] = self._new_run(base)
            self._places[logdir] = _Place(self._runs[base], directory.relative_to(base).as_posix(), {})
        return self._places[logdir]

    def _new_run(self, directory: Path) -> LoggedRun | None:
        target = name_from(directory.name) if self._target is None else self._target
        if self._runs and not isinstance(target, str):
            self._recording.failed("second directory", ValueError(f"{directory} needs telemetry of its own"))
            return None
        return LoggedRun(Recording(target, self._options, _LIBRARY, reports_end=False), directory.name)


def _name(tag: str, below: str) -> str:
    """Return the name of a value that is written to a directory below that of the run.

    `add_scalars` writes each of its tags to a directory `MAIN_TAG_TAG`, `add_hparams` to one named by a time.
    """
    prefix = f"{tag.replace('/', '_')}_"
    if below == "." or below.replace(".", "").isdigit():
        return tag
    return f"{tag}/{below.removeprefix(prefix)}" if below.startswith(prefix) else f"{below}/{tag}"


def _record(run: LoggedRun, other: event_messages.Other) -> None:
    """Record a value that is not a number."""
    if other.tag == event_messages.HPARAMS_TAG:
        run.settings(event_messages.hparams(other.content))
    elif other.plugin == "text":
        run.text(other.tag.removesuffix("/text_summary"), event_messages.text_of_tensor(other.tensor))
    elif not other.tag.startswith("_hparams_/"):
        run.ignore(other.plugin)
