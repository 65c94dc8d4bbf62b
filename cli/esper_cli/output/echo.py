"""Printing: the one place where text leaves a command. Recorded text cannot control the terminal."""

import io
import json
import os
import sys
from typing import Any, TextIO, cast

from esper_schemas.codec import to_json


def echo(*lines: str) -> None:
    """Print each text as one line on stdout."""
    for line in lines:
        print(escaped(line))  # noqa: T201 - what every command prints


def echo_json(value: Any, *, indent: int | None = None) -> None:
    """Print a value as JSON."""
    echo(*to_json(value, indent=indent).split("\n"))


def warn(command: str, sentence: str) -> None:
    """Print a sentence as one line on stderr, after the name of the command."""
    print(f"{command}: {escaped(sentence)}", file=sys.stderr)  # noqa: T201 - for the user, not for a log


def escaped(text: str) -> str:
    """Text whose control, format and line-breaking characters are written as JSON escapes.

    A terminal would act on them: move its cursor, reverse the direction of text, change its title.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def prepare_streams() -> None:
    """Make stdout and stderr accept any text, whatever their encoding; replace streams that are closed."""
    sys.stdin = sys.stdin or _null("r")
    sys.stdout = sys.stdout or _null("w")
    sys.stderr = sys.stderr or _null("w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _null(mode: str) -> TextIO:
    return cast("TextIO", open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123 - as the streams
