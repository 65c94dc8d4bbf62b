"""Pages of a log are found by position while the log is being written."""

import pytest

from esper_bus.store.log_pages import LogPages
from esper_bus.store.log_writer import LogWriter

COUNT = 60


@pytest.fixture
def run_dir(tmp_path):
    """The directory of a run."""
    return tmp_path / "run"


@pytest.fixture
def log(run_dir, monkeypatch):
    """A log that begins a new file after each flush."""
    monkeypatch.setattr("esper_bus.store.log_writer.LOG_FILE_BYTES", 1)
    log = LogWriter(run_dir, "run", 1, 0)
    yield log
    log.close()


def write(log, records):
    """Append records in flushes of ten."""
    for begin in range(0, len(records), 10):
        log.extend(records[begin : begin + 10])
        log.flush()


def page(pages, first, max_events=1000, max_bytes=10**6):
    """The page from `first` on, once the work for it is done."""
    return next(found for found in pages.read(first, max_events, max_bytes) if found is not None)


@pytest.mark.parametrize("first", [0, 1, 9, 10, 37, COUNT - 1, COUNT, COUNT + 5])
def test_a_page_begins_at_any_position(log, run_dir, records, first):
    """The positions of all files of the log follow on each other."""
    write(log, records(0, COUNT))
    assert len(list((run_dir / "log").iterdir())) > 2

    found = page(LogPages(run_dir), first)

    assert (found.first, found.at_end) == (first, True)
    assert [record.seq for record in found.records] == list(range(first, COUNT))


def test_a_page_keeps_within_its_limits(log, run_dir, records):
    """It has one event even if that alone is too large, and says that there are more."""
    write(log, records(0, COUNT))
    pages = LogPages(run_dir)
    size = len(records(0, 1)[0].data)

    assert page(pages, 5, max_events=7)[1:] == (records(5, 12), False)
    assert page(pages, 5, max_bytes=3 * size)[1:] == (records(5, 8), False)
    assert page(pages, 5, max_bytes=0)[1:] == (records(5, 6), False)
    assert page(pages, 50, max_events=10)[1:] == (records(50, 60), True)


def test_a_growing_log_is_read_on(log, run_dir, records):
    """The same pages find what was written since, also in new files."""
    pages = LogPages(run_dir)
    assert page(pages, 0)[1:] == ([], True)

    for begin in range(0, COUNT, 20):
        write(log, records(begin, begin + 20))
        assert page(pages, begin)[1:] == (records(begin, begin + 20), True)


def test_a_page_in_the_middle_is_found_without_reading_from_the_beginning(run_dir, records, monkeypatch):
    """Once a log was read, only the chunks of the page are read for it."""
    monkeypatch.setattr("esper_bus.store.chunk_index._SPACING_BYTES", 1)
    log = LogWriter(run_dir, "run", 1, 0)
    write(log, records(0, 500))
    log.close()
    pages = LogPages(run_dir)
    *from_beginning, _ = pages.read(0, 1000, 10**6)

    *work, last = pages.read(450, 1000, 10**6)

    assert last.records == records(450, 500)
    assert (len(from_beginning), len(work)) == (50, 5)


def test_each_chunk_is_a_piece_of_work(log, run_dir, records):
    """The aggregator receives events between two of them."""
    write(log, records(0, COUNT))

    *work, last = LogPages(run_dir).read(0, 1000, 10**6)

    assert len(work) >= COUNT // 10
    assert set(work) == {None}
    assert last.at_end
