"""A TOML text whose mistakes are reported with their line. Pure."""

import difflib
import tomllib
from collections.abc import Iterable
from typing import Any, NoReturn

from esper_schemas.errors import InvalidArgument

LONGEST_NAME = 100
"""Longer names are cut in messages."""


class TomlDocument:
    """The tables of a TOML text; `origin` names the text in messages.

    Raises `InvalidArgument` for a text that is not TOML.
    """

    def __init__(self, text: str, origin: str) -> None:
        self._lines, self._origin = text.split("\n"), origin
        try:
            self.tables: dict[str, Any] = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # not only of tomllib: int() raises for 5,000 digits
            raise InvalidArgument(f"{origin}: not valid TOML: {error}.") from None

    def refuse(self, path: tuple[str, ...], sentence: str) -> NoReturn:
        """Raise `InvalidArgument` about a key, the last of `path`, with the line that has it."""
        raise InvalidArgument(f"{self._origin}:{self._line_of(path)}: {sentence}")

    def _line_of(self, path: tuple[str, ...]) -> int:
        """Return the first line with which the lines up to it, read as TOML, contain a key.

        Lines that end within a value contain nothing.
        """
        without, within = 0, len(self._lines)
        while within - without > 1:
            middle = (without + within) // 2
            if _contains(self._lines[:middle], path):
                within = middle
            else:
                without = middle
        return within


def quoted(name: str) -> str:
    """Return a name in quotation marks, cut to a readable length."""
    return repr(name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "…")


def hint(name: str, names: Iterable[str]) -> str:
    """Return words for the name that is nearest to an unknown one; empty if none is near."""
    close = difflib.get_close_matches(name[:LONGEST_NAME], names, n=1)
    return f", the nearest is {close[0]!r}" if close else ""


def _contains(lines: Iterable[str], path: tuple[str, ...]) -> bool:
    try:
        found: Any = tomllib.loads("\n".join(lines))
    except ValueError:  # the lines end within a value
        return False
    for key in path:
        if not isinstance(found, dict) or key not in found:
            return False
        found = found[key]
    return True
