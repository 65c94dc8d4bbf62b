"""A series is read from an index where there is one, and is the same without it."""

import os
import random
import shutil
import signal
import subprocess
import sys

import pytest
from msgspec.structs import replace
from tests.aggregator.past.test_local_series import update

from esper_aggregator import cache as cache_module
from esper_aggregator.past import local_series
from esper_aggregator.past.local_series import LocalSeries
from esper_aggregator.recording import Recording
from esper_aggregator.series import index_writer, recorded_series
from esper_aggregator.series.index_files import RECENT, SEGMENTS
from esper_bus.mcap.writer import MCAP0_MAGIC
from esper_bus.records import StreamKey
from esper_bus.store.run_reader import read_raw, read_records
from esper_schemas.codec import encode_event
from esper_schemas.declarations import RunThresholds
from esper_schemas.events import PPOUpdateCompleted

VALUES = (None, 0.5, float("nan"), float("inf"), 1e39, 0.1)


def plain_values(path):
    """The updates and entropies in a log."""
    events = [record.event for record in read_records(path)]
    values = {e.update: e.payload.entropy for e in events if isinstance(e, PPOUpdateCompleted)}
    return [(float(n), v) for n, v in sorted(values.items()) if v is not None]


def plain(path):
    """The updates and entropies in a log, as text, so that NaN equals NaN."""
    return repr(plain_values(path))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Chunks of 64 rows and segments of 200."""
    monkeypatch.setattr(recorded_series, "CHUNK_ROWS", 64)
    monkeypatch.setattr(local_series, "CHUNK_ROWS", 64)
    monkeypatch.setattr(index_writer, "SEGMENT_ROWS", 200)


@pytest.fixture
def indexed(read_columns):
    """Makes a function that reads the entropies of a run by its series, as text."""

    def read(path, series=None):
        x, columns = read_columns(series or LocalSeries(path), "entropy")
        assert {count for column in columns.values() for count in column["measured"]} <= {1}
        return repr(list(zip(x, columns["entropy"]["last"] if columns else (), strict=True)))

    return read


@pytest.fixture
def folded(monkeypatch):
    """The number of records that readers fold."""
    counts = []
    fold = local_series.fold
    monkeypatch.setattr(local_series, "fold", lambda *pair: (counts.append(1), fold(*pair)))
    return counts


@pytest.fixture
def run(raw_of, tmp_path):
    """The directory of a run of 600 updates that was recorded in two parts."""
    dice = random.Random(3)
    records = [raw_of(update(n, entropy=dice.choice(VALUES)), at_ns=n) for n in range(1, 601)]
    for epoch, part in enumerate((records[:350], records[350:])):
        recording = Recording(tmp_path / "r", epoch + 1)
        for begin in range(0, len(part), 30):
            recording.extend(part[begin : begin + 30])
            recording.flush()
        recording.close()
    return tmp_path / "r"


def test_a_recorded_run_has_an_index_from_which_its_series_are_read(run, indexed, folded):
    """Nothing of the log is folded again."""
    assert indexed(run) == plain(run)
    assert len(folded) == 0
    assert (run / "log" / RECENT).exists()


def test_what_was_added_after_the_index_is_folded(run, indexed, folded, raw_of):
    """The rest of the log is read from the last checkpoint on."""
    recording = Recording(run, 9)
    recording.extend([raw_of(update(n, entropy=0.3), at_ns=n) for n in range(601, 650)])
    recording.flush()

    assert indexed(run) == plain(run)
    assert 49 <= len(folded) < 300


def test_the_index_serves_under_any_thresholds(tmp_path, raw_of, indexed, folded):
    """No value depends on those of the aggregator that has written it."""
    given = RunThresholds("[kl_divergence]\nwarning_above = 0.5\n")
    recording = Recording(tmp_path / "r", 1, given)
    recording.extend([raw_of(update(n, entropy=0.5)) for n in range(1, 101)])
    recording.close()

    assert indexed(tmp_path / "r") == plain(tmp_path / "r")
    assert len(folded) == 0


def damage_nothing(log):
    """Leave everything as it is."""


def delete(log):
    """Delete the index."""
    (log / RECENT).unlink()


def tear(log):
    """Cut the index in its middle."""
    os.truncate(log / RECENT, (log / RECENT).stat().st_size // 2)


def flip(log):
    """Change bytes in a body of the index."""
    data = bytearray((log / RECENT).read_bytes())
    data[-100:-50] = bytes(50)
    (log / RECENT).write_bytes(data)


def write_text(log):
    """Write something else in place of the index."""
    (log / RECENT).write_text("no index")


def delete_checkpoints(log):
    """Delete the checkpoints of the fold."""
    for path in log.glob("*.fold"):
        path.unlink()


def take_from_another_run(log):
    """Put the index of another run in place of this one's."""
    other = log.parent.parent / "other"
    recording = Recording(other, 77)
    recording.extend(read_raw_of(log.parent)[:500])
    recording.close()
    shutil.copy(other / "log" / RECENT, log / RECENT)


def read_raw_of(run):
    """Records of another run, as many as a run has, with other values."""
    stream, data = StreamKey("other", "trainer:0", 4), encode_event(update(1, entropy=9.0))
    return [replace(record, stream=stream, data=data) for record in read_raw(run)]


def cut_the_log(log):
    """Remove the end of the log, as a power failure may; the index has more than the log then."""
    newest = max(log.glob("*.mcap"), key=lambda path: path.stat().st_mtime_ns)
    os.truncate(newest, newest.stat().st_size // 2)


def damage_the_log(log):
    """Zero a part in the middle of the log."""
    oldest = min(log.glob("*.mcap"), key=lambda path: path.stat().st_mtime_ns)
    with oldest.open("r+b") as file:
        file.seek(oldest.stat().st_size // 2)
        file.write(bytes(1024))


def make_another_version(log):
    """Change the version that the index says it has."""
    with (log / RECENT).open("r+b") as file:
        file.seek(len(b"esper series 1\n"))
        file.write(b"\1\2\3\4")


@pytest.mark.parametrize(
    "harm",
    [
        damage_nothing,
        delete,
        tear,
        flip,
        write_text,
        delete_checkpoints,
        take_from_another_run,
        cut_the_log,
        damage_the_log,
        make_another_version,
    ],
)
def test_whatever_happened_to_an_index_the_series_is_that_of_the_log(run, indexed, harm, cache):
    """It is read, or built anew; and again, from what the first reader may have kept."""
    harm(run / "log")

    assert indexed(run) == plain(run)
    assert indexed(run) == plain(run)


def test_an_index_that_had_to_be_built_is_kept_in_the_cache(run, indexed, folded, cache):
    """The directory of the run may belong to someone else, and is left as it is."""
    delete_checkpoints(run / "log")
    before = sorted(run.rglob("*"))

    assert indexed(run) == plain(run)
    assert len(folded) == 600
    assert indexed(run) == plain(run)
    assert len(folded) == 600
    assert sorted(run.rglob("*")) == before
    assert len(list((cache / "esper" / "series").iterdir())) == 1


def test_an_index_in_the_cache_is_built_anew_when_the_run_has_grown(run, indexed, raw_of):
    """Also by a reader that has used it before."""
    delete_checkpoints(run / "log")
    indexed(run)
    reader = LocalSeries(run)
    before = indexed(run, reader)
    recording = Recording(run, 9)
    recording.extend([raw_of(update(601, entropy=0.3))])
    recording.close()
    delete_checkpoints(run / "log")

    assert indexed(run, reader) == plain(run) != before


def test_a_run_of_spools_alone_has_its_index_in_the_cache(run, indexed, folded):
    """There is no aggregator that could write it."""
    spool = run.parent / "spooled" / "spool"
    spool.mkdir(parents=True)
    (log,) = sorted((run / "log").glob("*.mcap"))[1:]
    first = min((run / "log").glob("*.mcap"), key=lambda path: path.stat().st_mtime_ns)
    assert log.read_bytes()[: len(MCAP0_MAGIC)] == MCAP0_MAGIC
    shutil.copy(first, spool / "trainer.mcap")

    assert indexed(spool.parent) == plain(spool.parent)
    count = len(folded)
    assert indexed(spool.parent) == plain(spool.parent)
    assert len(folded) == count > 300


def test_a_cache_that_cannot_be_written_is_done_without(run, indexed, cache):
    """The next reader builds the index again."""
    delete_checkpoints(run / "log")
    cache.write_text("in the way")

    assert indexed(run) == plain(run)


def test_the_cache_keeps_a_limited_number_of_indexes(run, indexed, cache, monkeypatch):
    """The oldest ones are removed."""
    monkeypatch.setattr(cache_module, "_KEPT", 2)
    delete_checkpoints(run / "log")
    for number in range(4):
        copy = run.parent / f"copy{number}"
        shutil.copytree(run, copy)
        assert indexed(copy) == plain(copy)

    assert len(list((cache / "esper" / "series").iterdir())) == 2


def test_a_log_that_was_deleted_while_it_is_written_gets_no_index(tmp_path, raw_of):
    """The index would have rows that the log lacks."""
    recording = Recording(tmp_path / "r", 1)
    recording.extend([raw_of(update(1))])
    recording.flush()
    shutil.rmtree(tmp_path / "r")
    recording.extend([raw_of(update(n)) for n in range(2, 500)])
    recording.flush()
    recording.close()

    assert not (tmp_path / "r" / "log" / RECENT).exists()


def test_an_aggregator_that_cannot_write_the_index_records_on(run, indexed, raw_of):
    """The log is what counts; readers build another index."""
    recording = Recording(run, 9)
    (run / "log" / RECENT).unlink()
    (run / "log" / RECENT).mkdir()
    for begin in range(601, 1201, 100):
        recording.extend([raw_of(update(n, entropy=0.3), at_ns=n) for n in range(begin, begin + 100)])
        recording.flush()
    recording.close()

    assert indexed(run) == plain(run)


def test_rows_are_written_after_some_time_even_if_they_are_few(tmp_path, raw_of, monkeypatch):
    """A restart then has few events to fold again."""
    monkeypatch.setattr(recorded_series, "TAIL_S", 0.0)
    recording = Recording(tmp_path / "r", 1)
    recording.extend([raw_of(update(1))])
    recording.flush()

    assert (tmp_path / "r" / "log" / RECENT).exists()
    recording.close()


RECORD = """
import sys
from pathlib import Path
from esper_aggregator.recording import Recording
from esper_bus.records import RawRecord, StreamKey
from esper_schemas.codec import encode_event
from esper_schemas.events import PPOUpdateCompleted
from esper_schemas.payload import PPOUpdatePayload
from esper_aggregator.series import index_writer, recorded_series
recorded_series.CHUNK_ROWS, index_writer.SEGMENT_ROWS, recorded_series.TAIL_S = 64, 300, 0.005
run, epoch = Path(sys.argv[1]), int(sys.argv[2])
recording = Recording(run, epoch)
while sys.stdin.readline():
    first = recording.position
    recording.extend([
        RawRecord(StreamKey("r", "trainer:0", 1), seq, seq, seq, encode_event(
            PPOUpdateCompleted(update=seq + 1, payload=PPOUpdatePayload(entropy=seq / 7))))
        for seq in range(first, first + 23)
    ])
    recording.flush()
    print(recording.position, flush=True)
"""


@pytest.mark.process
@pytest.mark.slow
def test_after_kills_of_the_aggregator_the_series_is_that_of_the_log(tmp_path, indexed, read_columns):
    """Killed at random moments, it continues the index; readers see the same at each of them."""
    dice = random.Random(5)
    for epoch in range(1, 9):
        command = [sys.executable, "-c", RECORD, str(tmp_path / "r"), str(epoch)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            batches = dice.randrange(1, 30)
            process.stdin.write("\n" * (batches + 1))
            process.stdin.flush()
            for _ in range(batches):
                assert process.stdout.readline()
            process.send_signal(signal.SIGKILL)  # while it records the last batch, at the latest after it
        values = dict(plain_values(tmp_path / "r"))
        assert indexed(tmp_path / "r") == plain(tmp_path / "r")
        for _ in range(5):
            first, last = sorted(dice.sample(range(len(values)), 2))
            x, columns = read_columns(LocalSeries(tmp_path / "r"), "entropy", first=first, last=last)
            expected = {n: v for n, v in values.items() if first <= n <= last}
            assert dict(zip(x, columns["entropy"]["last"], strict=True)) == expected
    assert (tmp_path / "r" / "log" / SEGMENTS).exists()
