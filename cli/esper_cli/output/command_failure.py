"""How a command fails: one sentence on stderr and an exit code."""

import contextlib
import os
import sys
from collections.abc import Callable

from esper_cli.output.echo import warn
from esper_schemas.errors import EsperError


class CommandError(EsperError):
    """Raised where a command cannot do what it was asked to; the message says why and what to do."""


def run_reporting_failures(name: str, command: Callable[[], int]) -> int:
    """Run a command; a failure that is not a bug becomes one sentence on stderr and exit code 1."""
    try:
        code = command()
        sys.stdout.flush()
    except EsperError as error:
        warn(name, str(error))
        return 1
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        warn(name, _sentence(error))
        return 1
    except KeyboardInterrupt:
        return 1
    return code


def _sentence(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.filename is not None:
        path = os.fsdecode(error.filename)
        return f"cannot use {path} ({reason}); choose another path or change its permissions"
    return f"cannot read or write ({reason}); free space or redirect the output"
