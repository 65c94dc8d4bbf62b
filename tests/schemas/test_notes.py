"""A note is one line of printable text."""

import pytest

from esper_schemas.errors import InvalidArgument
from esper_schemas.events import Annotated
from esper_schemas.notes import MAX_NOTE_LENGTH, MAX_WRITER_LENGTH, checked_note


def test_a_note_keeps_its_text():
    """Without the spaces around it; any printable character is accepted."""
    assert checked_note(" die Rate – halbiert ✓ ", " ada ", 40) == Annotated(
        text="die Rate – halbiert ✓", who="ada", update=40
    )
    assert checked_note("x" * MAX_NOTE_LENGTH).update is None


@pytest.mark.parametrize(
    ("text", "who", "update", "problem"),
    [
        ("", "", None, "says nothing"),
        (" \n", "", None, "says nothing"),
        ("x" * (MAX_NOTE_LENGTH + 1), "", None, "at most 500 characters, not 501"),
        ("a\nb", "", None, r"without U\+000A"),
        ("a\x1b[31mb", "", None, r"without U\+001B"),
        ("a\u202eb", "", None, r"without U\+202E"),
        ("a", "x" * (MAX_WRITER_LENGTH + 1), None, "name of its writer has at most 100"),
        ("a", "b\x07", None, r"name of its writer .* U\+0007"),
        ("a", "", -1, "about update -1"),
        ("a", "", 1 << 62, "about update"),
    ],
)
def test_what_is_no_note_is_refused(text, who, update, problem):
    """In one sentence."""
    with pytest.raises(InvalidArgument, match=problem):
        checked_note(text, who, update)
