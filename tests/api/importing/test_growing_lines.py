"""Tests of reading the lines of a file that grows."""

import pytest

from esper_lite.importing import growing_lines
from esper_lite.importing.growing_lines import TOO_LONG, GrowingLines, decoded


@pytest.fixture
def path(tmp_path):
    """A file."""
    return tmp_path / "table.csv"


def all_lines(lines):
    """The lines that are complete now."""
    return [line for block in lines.blocks() for line in block]


def test_lines_are_returned_once_they_are_complete(path, not_read):
    """The line end may be that of Windows; a byte order mark is no part of a line."""
    path.write_bytes(b"\xef\xbb\xbfa,b\r\n1,")
    lines = GrowingLines(path, not_read)
    first = all_lines(lines)
    with path.open("ab") as file:
        file.write(b"2\n3,4\r")

    assert first == [b"a,b"]
    assert all_lines(lines) == [b"1,2"]
    assert lines.last() == b"3,4"


def test_a_line_that_is_too_long_is_not_held_in_memory(path, not_read, monkeypatch):
    """It is counted, and the next line is read."""
    monkeypatch.setattr(growing_lines, "MAX_LINE_BYTES", 1000)
    monkeypatch.setattr(growing_lines, "BLOCK_BYTES", 300)
    path.write_bytes(b"a\n" + b"x" * 5000 + b"\nb\n")

    assert all_lines(GrowingLines(path, not_read)) == [b"a", b"b"]
    assert not_read.lines() == [f"{TOO_LONG}: 1"]


def test_the_head_tells_whether_the_file_is_the_same(path, not_read):
    """Lines that follow do not matter."""
    path.write_bytes(b"a,b\n1,2\n")
    lines = GrowingLines(path, not_read)
    head = lines.head(1)
    path.write_bytes(b"a,b\n1,2\n3,4\n")
    same = lines.begin_with(head)
    path.write_bytes(b"a,b,c\n1,2,\n")

    assert (head, same, lines.begin_with(head)) == (b"a,b\n", True, False)


def test_the_last_complete_line_is_found(path, not_read):
    """A half-written one is not."""
    path.write_bytes(b"a\n" * 100_000 + b"last\n" + b"half")

    assert GrowingLines(path, not_read).last_complete() == b"last"


def test_text_that_is_not_utf_8_is_latin_1():
    """Every byte has a meaning there."""
    assert (decoded("ä".encode()), decoded("ä".encode("latin-1"))) == ("ä", "ä")
