"""Tests of files that never keep a part of what one call appended."""

import pytest

from esper_bus.mcap.append_file import AppendFile, FileDeletedError

LIMITED = """
import resource, sys
from pathlib import Path
from esper_bus.mcap.append_file import AppendFile

file = AppendFile(Path(sys.argv[1]))
file.append(b"a" * 600)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    file.append(b"b" * 600)
except OSError as error:
    print("failed", file.size)
resource.setrlimit(resource.RLIMIT_FSIZE, (10000, resource.RLIM_INFINITY))
file.append(b"c" * 600)
print("appended", file.size)
"""


@pytest.mark.process
def test_a_failed_write_leaves_the_file_as_it_was(tmp_path, python):
    """If the disk becomes full in the middle of a write, only that write is lost."""
    path = tmp_path / "file"
    output, _ = python(LIMITED, path).communicate(timeout=30)

    assert output.split() == ["failed", "600", "appended", "1200"]
    assert path.read_bytes() == b"a" * 600 + b"c" * 600


def test_an_existing_file_is_never_continued(tmp_path):
    """Two writers cannot share a file."""
    file = AppendFile(tmp_path / "file")
    with pytest.raises(FileExistsError):
        AppendFile(tmp_path / "file")
    file.close()


def test_missing_directories_are_made(tmp_path):
    """The first file of a run makes its directories."""
    file = AppendFile(tmp_path / "a" / "b" / "file")
    file.append(b"x")
    file.sync()
    file.close()

    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"x"


def test_a_deleted_file_accepts_nothing_more(tmp_path):
    """Every further call raises, since no reader would find what is written."""
    file = AppendFile(tmp_path / "file")
    file.append(b"x")
    file.path.unlink()
    for write in (lambda: file.append(b"y"), file.sync, file.check):
        with pytest.raises(FileDeletedError, match="it was deleted"):
            write()

    assert file.size == 1

    file.close()
