"""Command lines that answer mistakes with one sentence, and commands that fail with one."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from esper_schemas.errors import EsperError


class CommandError(EsperError):
    """A command cannot do what it was asked; the message says why and what to do about it."""


class OneSentenceParser(argparse.ArgumentParser):
    """Reports wrong usage in one line on stderr and exits with code 2."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is."""
        self.exit(2, f"{self.prog}: {message}; `{self.prog} --help` lists what there is\n")


def run_command(
    name: str, command: Callable[[argparse.Namespace], int], arguments: argparse.Namespace
) -> int:
    """Run one command; what a user can cause becomes one sentence on stderr and exit code 1."""
    try:
        code = command(arguments)
        sys.stdout.flush()
    except EsperError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        print(f"{name}: {_sentence(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    return code


def _sentence(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.filename is not None:
        return f"cannot use {os.fsdecode(error.filename)} ({reason}); name another or make it accessible"
    return f"reading or writing failed ({reason}); free space, or send the output elsewhere"
