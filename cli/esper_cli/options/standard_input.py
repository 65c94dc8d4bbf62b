"""`-` in place of a path: a log that is read from standard input."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from esper_cli.options.option import Option
from esper_cli.output.command_failure import CommandError
from esper_schemas.settings import setting_fields

DASH = "-"
"""What stands for standard input."""
_NAME = "standard-input"
_READ_BYTES = 1 << 16
_NOT_A_LOG = "standard input is not an MCAP log; pipe one into it, as in `cat run.mcap | {command} -`"
_EMPTY = "standard input is empty; pipe a log into it, as in `cat run.mcap | {command} -`"


@contextmanager
def with_input_copied(options: Any, command: str) -> Iterator[Any]:
    """The options of a command, in which a copy of standard input replaces `-` where a run is named."""
    declared: type = type(options)
    for field in setting_fields(declared).values():
        is_run = isinstance(field.setting, Option) and field.setting.reads_input
        if is_run and getattr(options, field.name) == Path(DASH):
            with copied_input(command) as path:
                yield replace(options, **{field.name: path})
            return
    yield options


@contextmanager
def copied_input(command: str) -> Iterator[Path]:
    """The path of a copy of standard input, which is removed at the end.

    Raises `CommandError` if there is nothing to read, and `OSError` if it cannot be copied.
    """
    from esper_bus.store.piped_logs import PipedLogs

    _refuse_terminal(command)
    with TemporaryDirectory(prefix="esper-") as directory:
        logs = PipedLogs(Path(directory) / _NAME)
        if not _copy(0, logs.write):
            raise CommandError(_EMPTY.format(command=command))
        logs.close()
        if not logs.begins_as_log():
            raise CommandError(_NOT_A_LOG.format(command=command))
        yield logs.path


@contextmanager
def followed_input(command: str) -> Iterator[Path]:
    """The directory of a copy of standard input, which grows as more arrives, and is removed at the end.

    Keys are read from the terminal instead. Raises `CommandError` if there is no terminal or nothing to read.
    """
    from esper_bus.store.piped_logs import PipedLogs

    _refuse_terminal(command)
    source = os.dup(0)
    _read_keys_from_terminal(command)
    with TemporaryDirectory(prefix="esper-", ignore_cleanup_errors=True) as directory:
        logs = PipedLogs(Path(directory) / _NAME)
        first = os.read(source, _READ_BYTES)
        if not first:
            raise CommandError(_EMPTY.format(command=command))
        logs.write(first)
        threading.Thread(target=_copy, args=(source, logs.write), daemon=True).start()
        yield Path(directory) / _NAME


def _copy(source: int, write: Callable[[bytes], None]) -> int:
    """Copy all that can be read from a file descriptor; returns the number of bytes."""
    size = 0
    while data := os.read(source, _READ_BYTES):
        write(data)
        size += len(data)
    return size


def _refuse_terminal(command: str) -> None:
    if os.isatty(0):
        raise CommandError(
            f"standard input is a terminal; pipe a log into it, as in `cat run.mcap | {command} -`"
        )


def _read_keys_from_terminal(command: str) -> None:
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError as error:
        raise CommandError(
            f"there is no terminal to read keys from; `{command} - --once` prints one frame"
        ) from error
    os.dup2(terminal, 0)
    os.close(terminal)
