"""Tests of looking at files that other programs write."""

import os

import pytest

from esper_lite.importing.growing_file import open_regular, state_of


def test_a_file_stays_the_same_while_it_grows(tmp_path):
    """It does not if it is cut or replaced."""
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    first = state_of(path)
    path.write_bytes(b"abcdef")
    longer = state_of(path)
    path.write_bytes(b"a")
    shorter = state_of(path)
    other = tmp_path / "other"
    other.write_bytes(b"abcdefghi")
    other.replace(path)

    assert longer.is_same_file(first)
    assert not shorter.is_same_file(longer)
    assert not state_of(path).is_same_file(longer)
    assert not longer.is_same_file(None)


def test_only_regular_files_are_opened(tmp_path):
    """A pipe without a writer would block for ever; a directory has no contents."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        assert state_of(path) is None
        with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
            open_regular(path)
    assert state_of(tmp_path / "none") is None
