"""The notes that a person may write about a run."""

from collections.abc import Iterator
from typing import Protocol

from esper_schemas.errors import InvalidArgument
from esper_schemas.events import Annotated

MAX_NOTE_LENGTH = 500
MAX_WRITER_LENGTH = 100


class NoteWriter(Protocol):
    """Writes notes about runs; no call blocks, and none raises."""

    def write(self, run: str, note: Annotated) -> None:
        """Begin to write a note about a run; without a writer, the note gets the name of the user."""
        ...

    def outcomes(self) -> Iterator[str]:
        """Yield a sentence about each note that was written or refused since the last call."""
        ...


def checked_note(text: str, who: str = "", update: int | None = None) -> Annotated:
    """The event of a note. Raises `InvalidArgument` for one that is empty, too long or not printable."""
    text, who = text.strip(), who.strip()
    if not text:
        raise InvalidArgument("A note without text says nothing; write what is to be remembered.")
    _check("A note", text, MAX_NOTE_LENGTH)
    _check("The name of its writer", who, MAX_WRITER_LENGTH)
    if update is not None and not 0 <= update < 1 << 62:
        raise InvalidArgument(f"A note cannot be about update {update}; name one of the run.")
    return Annotated(text=text, who=who, update=update)


def _check(what: str, text: str, length: int) -> None:
    if len(text) > length:
        raise InvalidArgument(f"{what} has at most {length} characters, not {len(text)}; shorten it.")
    for character in text:
        if not character.isprintable():
            raise InvalidArgument(f"{what} is one line of text, without U+{ord(character):04X}; remove that.")
