"""Events are messages of a channel of their stream, verbatim."""

import pytest
from mcap.reader import make_reader

from esper_bus.mcap.event_channels import EVENT_SCHEMA, META_TOPIC, FileMeta, event_schema
from esper_bus.mcap.event_writer import EventWriter
from esper_bus.mcap.reader import read_file
from esper_bus.records import StreamKey

META = FileMeta(kind="log", run="run", writer_epoch="1", created_ns=7)


@pytest.fixture
def path(tmp_path):
    """A file that is written."""
    return tmp_path / "new.mcap"


@pytest.fixture
def writer(path):
    """Its writer."""
    return EventWriter(path, META, compress=True)


def messages(path):
    """Schema, channel and message of all messages, as the package of the format reads them."""
    with path.open("rb") as file:
        return list(make_reader(file, validate_crcs=True).iter_messages(log_time_order=False))


def test_a_file_begins_with_its_description(writer, path):
    """As JSON, which other tools can show."""
    writer.close()

    ((schema, channel, message),) = messages(path)
    assert (schema, channel.topic, channel.message_encoding) == (None, META_TOPIC, "json")
    assert b'"kind":"log"' in message.data
    assert message.log_time == META.created_ns


def test_each_stream_has_a_channel(writer, path, records):
    """Named by producer and epoch; all have the schema of events."""
    other = StreamKey("run", "host:1", 2)
    mixed = [*records(0, 2), *records(0, 1, other), *records(2, 3)]
    writer.append(mixed)
    writer.close()

    _, *events = messages(path)
    assert [channel.topic for _, channel, _ in events] == [
        "host:0/000000000000e90c",
        "host:0/000000000000e90c",
        "host:1/0000000000000002",
        "host:0/000000000000e90c",
    ]
    assert {(schema.name, schema.data) for schema, _, _ in events} == {(EVENT_SCHEMA, event_schema())}
    assert [message.data for _, _, message in events] == [record.data for record in mixed]
    assert list(read_file(path)) == mixed


def test_times_are_those_of_receiving_and_emitting(writer, path, records):
    """`log_time` orders a log, `publish_time` is the trainer's."""
    writer.append(records(0, 1))
    writer.close()

    *_, (_, _, message) = messages(path)
    assert (message.publish_time, message.log_time) == (10**18, 10**18 + 5)


def test_events_of_a_batch_were_received_when_they_were_emitted(writer, path, batch, key):
    """In a spool nothing is known about receiving."""
    writer.append_batch(key, batch(3, 5))
    writer.close()

    assert [(r.seq, r.received_ns - r.emitted_ns) for r in read_file(path)] == [(3, 0), (4, 0)]


def test_a_stream_may_be_described_before_its_first_event(writer, path, key):
    """Its channel says which number that will have."""
    writer.begin_stream(key, 40)
    writer.begin_stream(key, 50)
    writer.flush()

    assert [channel.metadata.get("first_seq") for channel in writer.channels] == [None, "40"]
    writer.abandon()
