"""Stops the process as ctrl-z does in a shell."""

import os
import signal
import sys


def stop_until_continued() -> bool:
    """Stop all processes of this job until a shell continues them in the foreground.

    Returns False, at once, if there is no shell that could: the system does not stop such a job.
    """
    continued = False

    def note(*_: object) -> None:
        nonlocal continued
        continued = True

    on_stop, on_continue = signal.signal(signal.SIGTSTP, signal.SIG_DFL), signal.signal(signal.SIGCONT, note)
    try:
        os.kill(0, signal.SIGTSTP)
        while continued and not _is_in_foreground():
            continued = False
            os.kill(0, signal.SIGTSTP)
    finally:
        signal.signal(signal.SIGTSTP, on_stop)
        signal.signal(signal.SIGCONT, on_continue)
    return continued


def _is_in_foreground() -> bool:
    """Whether this job may draw on its terminal: a shell can also continue it in the background."""
    try:
        return sys.__stdin__ is None or os.tcgetpgrp(sys.__stdin__.fileno()) == os.getpgrp()
    except (OSError, ValueError):  # There is no terminal any more.
        return True
