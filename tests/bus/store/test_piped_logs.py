"""A stream of log files is divided into its files, however its bytes arrive."""

import pytest

from esper_bus.paths import RunPaths
from esper_bus.store.log_writer import LogWriter
from esper_bus.store.piped_logs import PipedLogs
from esper_bus.store.run_reader import read_raw


@pytest.fixture
def files(tmp_path, records):
    """The three finished files of a log."""
    for number in range(3):
        log = LogWriter(tmp_path / "run", "run", number, number * 10)
        log.extend(records(10 * number, 10 * number + 10))
        log.close()
    paths = sorted(RunPaths(tmp_path / "run").log_dir.iterdir())
    return [path.read_bytes() for path in paths]


@pytest.mark.parametrize("size", [1, 7, 1000, 10**9])
def test_every_file_of_a_stream_is_read(files, tmp_path, size):
    """In pieces of any size; the files are the original ones."""
    stream = b"".join(files)
    logs = PipedLogs(tmp_path / "copy")
    for at in range(0, len(stream), size):
        logs.write(stream[at : at + size])
    logs.close()

    written = sorted(RunPaths(tmp_path / "copy").log_dir.iterdir())
    assert [path.read_bytes() for path in written] == files
    assert [record.seq for record in read_raw(logs.path)] == list(range(30))
    assert logs.path == tmp_path / "copy"


def test_one_file_stays_a_file(files, tmp_path):
    """A part of a log has no events missing before it."""
    logs = PipedLogs(tmp_path / "copy")
    logs.write(files[1])
    logs.close()

    assert logs.path.read_bytes() == files[1]
    assert [record.seq for record in read_raw(logs.path)] == list(range(10, 20))


def test_what_was_written_can_be_read_at_once(files, tmp_path):
    """The end of a stream that goes on is not held back."""
    logs = PipedLogs(tmp_path / "copy")
    logs.write(files[0][:-100])
    assert logs.path.read_bytes() == files[0][:-100]
    logs.write(files[0][-100:] + files[1][:3])
    assert logs.path.read_bytes() == files[0] + files[1][:3]
    logs.write(files[1][3:])
    logs.close()

    assert len(list(read_raw(tmp_path / "copy"))) == 20
