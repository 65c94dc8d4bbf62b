"""The files of a run are found and ordered by what they say of themselves."""

import pytest

from esper_bus.mcap.event_channels import FileMeta
from esper_bus.mcap.event_writer import EventWriter
from esper_bus.store.run_files import file_meta, files_at, log_files, mcap_files, next_ordinal
from esper_schemas.errors import InvalidArgument, StorageError


@pytest.fixture
def written(tmp_path, records):
    """Writes a file of a run, with one event."""

    def write(name, *, kind="log", ordinal=0, run="run"):
        path = tmp_path / run / kind / name
        meta = FileMeta(kind=kind, run=run, writer_epoch="1", created_ns=1, ordinal=ordinal)
        writer = EventWriter(path, meta, compress=False)
        writer.append(records(0, 1))
        writer.close()
        return path

    return write


def test_log_files_are_ordered_by_their_ordinal(written):
    """Names begin with the epoch of an aggregator, whose clock may have been set back."""
    second, first, third = written("b-0.mcap", ordinal=1), written("c-0.mcap"), written("a-0.mcap", ordinal=2)

    files = log_files(first.parents[1])

    assert files.logs == [first, second, third]
    assert (files.spools, files.whole) == ([], True)
    assert next_ordinal(first.parents[1]) == 3


def test_the_first_log_file_has_ordinal_0(tmp_path):
    """There is no directory of the log yet."""
    assert next_ordinal(tmp_path) == 0
    assert log_files(tmp_path).logs == []


def test_spool_files_are_ordered_by_their_numbers(written):
    """`.10` comes after `.9`; a run without a log is its spools."""
    names = ["host-0.mcap", "host-0.1.mcap", "host-0.9.mcap", "host-0.10.mcap"]
    for name in reversed(names):
        path = written(name, kind="spool")

    files = files_at(path.parents[1])

    assert [spool.name for spool in files.spools] == names
    assert (files.logs, files.whole, files.run) == ([], True, "run")


def test_a_single_file_need_not_begin_at_the_first_event(written):
    """Nothing is missing from it that it does not name itself."""
    path = written("a-0.mcap")

    assert files_at(path) == ([path], [], False)
    assert files_at(path).run == "run"


def test_a_file_without_a_description_has_no_place(written, tmp_path):
    """It comes first, so that it never passes for the newest file of the log."""
    named = written("b-0.mcap")
    (named.parent / "c-0.mcap").write_bytes(b"not an MCAP file")

    assert file_meta(named.parent / "c-0.mcap") is None
    assert file_meta(tmp_path / "missing.mcap") is None
    assert [path.name for path in log_files(named.parents[1]).logs] == ["c-0.mcap", "b-0.mcap"]
    assert next_ordinal(named.parents[1]) == 1


def test_other_files_are_left_out(written):
    """Locks and partial files lie beside the recordings."""
    path = written("a-0.mcap")
    (path.parent / "a-0.lock").touch()

    assert mcap_files(path.parent) == [path]
    assert mcap_files(path.parent / "missing") == []


def test_a_directory_that_cannot_be_listed_is_not_an_empty_one(tmp_path):
    """Numbering would start again, over events that exist."""
    (tmp_path / "log").touch()

    with pytest.raises(NotADirectoryError):
        next_ordinal(tmp_path)


def test_a_path_without_a_recording_is_refused(tmp_path, written):
    """The sentence names what to choose."""
    run_dir = written("host-0.mcap", kind="spool").parents[1]

    with pytest.raises(InvalidArgument, match=rf"choose one of its runs, e\.g\. {run_dir}\."):
        files_at(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidArgument, match="choose a run directory"):
        files_at(tmp_path / "empty")
    (tmp_path / "empty.mcap").touch()
    with pytest.raises(InvalidArgument, match="is empty"):
        files_at(tmp_path / "empty.mcap")
    with pytest.raises(StorageError, match="No such file"):
        files_at(tmp_path / "missing.mcap")
