"""Tests of the writer, checked with the reader of the `mcap` library."""

from itertools import islice, takewhile

import pytest
from mcap.reader import make_reader
from mcap.records import Channel, DataEnd, Message
from mcap.stream_reader import StreamReader

from esper_bus.limits import CHUNK_BYTES
from esper_bus.mcap import writer as writer_module
from esper_bus.mcap.writer import McapWriter


@pytest.fixture
def path(tmp_path):
    """A file to be written."""
    return tmp_path / "file.mcap"


def new_writer(path, *, compress=False):
    """A writer with two channels."""
    writer = McapWriter(path, compress=compress)
    schema = writer.schema("Event", b"{}")
    for topic in ("a", "b"):
        writer.channel(topic, "msgpack", schema, {"topic": topic})
    return writer


def write(writer, numbers):
    """Messages on both channels in turn."""
    for number in numbers:
        writer.message(1 + number % 2, number, 1000 + number, 500 + number, b"message %d" % number)


def sequences(path):
    """The numbers of all messages, read without an index."""
    with path.open("rb") as file:
        records = StreamReader(file, validate_crcs=True).records
        return [record.sequence for record in records if isinstance(record, Message)]


@pytest.mark.parametrize("compress", [False, True])
def test_another_reader_finds_everything(path, compress):
    """A finished file is read by its index: order, times, topics, numbers, statistics."""
    writer = new_writer(path, compress=compress)
    for first in range(0, 100, 10):
        write(writer, range(first, first + 10))
        writer.flush()
    writer.close()
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        found = [
            (c.topic, m.sequence, m.log_time, m.publish_time, m.data) for _, c, m in reader.iter_messages()
        ]
        only_b = [m.sequence for _, _, m in reader.iter_messages(topics=["b"], starting_at=1050)]

    assert found == [("ab"[n % 2], n, 1000 + n, 500 + n, b"message %d" % n) for n in range(100)]
    assert only_b == list(range(51, 100, 2))
    assert summary.statistics.message_count == 100
    assert summary.statistics.channel_message_counts == {1: 50, 2: 50}
    assert (summary.statistics.message_start_time, summary.statistics.message_end_time) == (1000, 1099)
    assert len(summary.chunk_indexes) == summary.statistics.chunk_count == 10
    assert summary.channels[2].metadata == {"topic": "b"}
    assert summary.schemas[1].name == "Event"


def test_an_unfinished_file_is_read_by_another_reader(path):
    """What was flushed can be read before the writer is closed."""
    writer = new_writer(path)
    write(writer, range(10))
    writer.flush()
    write(writer, range(10, 20))
    with path.open("rb") as file:
        records = StreamReader(file, validate_crcs=True).records
        found = list(islice((record for record in records if isinstance(record, Message)), 10))
    writer.close()

    assert [message.sequence for message in found] == list(range(10))


def test_a_large_flush_becomes_several_chunks(path):
    """Ten messages of a third of the chunk size make four chunks."""
    writer = new_writer(path)
    for number in range(10):
        writer.message(1, number, 1, 1, bytes(CHUNK_BYTES // 3))
    writer.flush()
    writer.close()
    with path.open("rb") as file:
        chunks = make_reader(file).get_summary().statistics.chunk_count

    assert chunks == 4
    assert sequences(path) == list(range(10))


def test_a_rollback_discards_messages(path):
    """The same messages can be written again, and are in the file once."""
    writer = new_writer(path)
    writer.flush()
    write(writer, range(5))
    writer.rollback()
    write(writer, range(5))
    writer.close()

    assert sequences(path) == list(range(5))


def test_a_failed_flush_loses_nothing(path, monkeypatch):
    """The next flush writes the same messages."""
    writer = new_writer(path)
    write(writer, range(5))
    good = writer._file.append

    def full(*parts):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer._file, "append", full)
    with pytest.raises(OSError, match="No space"):
        writer.flush()
    monkeypatch.setattr(writer._file, "append", good)
    write(writer, range(5, 8))
    writer.close()
    with path.open("rb") as file:
        found = [message.sequence for _, _, message in make_reader(file, validate_crcs=True).iter_messages()]

    assert found == list(range(8))


def test_an_empty_flush_writes_nothing(path):
    """A second flush without messages leaves the file as it is."""
    writer = new_writer(path)
    writer.flush()
    data = path.read_bytes()
    writer.flush()

    assert data
    assert path.read_bytes() == data
    writer.close()


def test_a_very_long_file_has_no_index_but_is_complete(path, monkeypatch):
    """The memory for the index is bounded; a reader without an index finds every message."""
    monkeypatch.setattr(writer_module, "MAX_INDEXED_CHUNKS", 3)
    writer = new_writer(path)
    for number in range(10):
        write(writer, [number])
        writer.flush()
    writer.close()
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()

    assert summary.chunk_indexes == []
    assert summary.statistics.message_count == 10
    assert sequences(path) == list(range(10))


def test_the_description_of_a_channel_is_repeated_but_seldom(path):
    """The number of repeats is bounded by the size of the file; other readers accept them."""
    writer = new_writer(path)
    for number in range(3000):
        writer.message(1 + number % 2, number, 1000 + number, 1, bytes(1000))
        writer.flush()
    writer.close()
    with path.open("rb") as file:
        records = takewhile(
            lambda record: not isinstance(record, DataEnd), StreamReader(file, validate_crcs=True).records
        )
        described = [record for record in records if isinstance(record, Channel) and record.id == 1]
        file.seek(0)
        found = [message.sequence for _, _, message in make_reader(file).iter_messages()]

    assert 10 < len(described) < 12 + path.stat().st_size / 2**20
    assert all(record == described[0] for record in described)
    assert found == list(range(3000))
