"""Tests of the reader: damage is reported, never raised, and never returned as messages."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.writer import CompressionType, Writer

from esper_bus.mcap.event_channels import EventChannels, channel_metadata
from esper_bus.mcap.reader import read_chunks
from esper_bus.mcap.writer import McapWriter
from esper_bus.records import StreamKey

MAGIC = b"\x89MCAP0\r\n"


def content(data):
    """The records of a file, and what is damaged in it."""
    damage = []
    return records(io.BytesIO(data), damage), damage


def records(file, damage):
    """The records that are read from an open file."""
    chunks = read_chunks(file, EventChannels(), 0, "file.mcap", damage.append)
    return [record for chunk in chunks for record in chunk.records]


def write(path, *, compress=False, finish=True):
    """A file of five chunks with two messages each; returns the ends of the chunks."""
    writer = McapWriter(path, compress=compress)
    metadata = channel_metadata(StreamKey("run", "host:0", 7), 0)
    channel = writer.channel("host:0", "msgpack", 0, metadata)
    ends = []
    for number in range(0, 10, 2):
        for sequence in (number, number + 1):
            writer.message(channel, sequence, 10**18 + sequence, 10**18, b"message %d" % sequence)
        writer.flush()
        ends.append(writer.size)
    if finish:
        writer.close()
    else:
        writer._file.close()
    return ends


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A directory for all tests of this file."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "zstd"])
def intact(request, directory):
    """The bytes of a finished file, its messages, and where its chunks end."""
    path = directory / f"intact-{request.param}.mcap"
    ends = write(path, compress=request.param)
    messages, damage = content(path.read_bytes())

    assert (len(messages), damage) == (10, [])

    return path.read_bytes(), messages, ends


def test_a_file_cut_at_any_byte_is_read_up_to_the_cut(intact):
    """Every chunk before the cut is read, and a cut inside a chunk is reported."""
    data, messages, ends = intact
    for size in range(1, len(data) + 1):
        found, damage = content(data[:size])
        whole = sum(end <= size for end in ends)

        assert len(found) in (2 * whole, 2 * min(whole + 1, 5))  # a cut in an index loses nothing
        assert found == messages[: len(found)]
        if size < ends[-1] and size not in ends:
            assert bool(damage) or _at_a_record_end(data, size)


def _at_a_record_end(data, size):
    at = 8
    while at < size:
        at += 9 + int.from_bytes(data[at + 1 : at + 9], "little")
    return at == size


@pytest.mark.slow
def test_no_flipped_bit_goes_unnoticed(intact):
    """One flipped bit changes no message; if messages are missing, damage is reported."""
    data, messages, ends = intact
    silent = []
    for bit in range(8 * ends[-1]):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        found, damage = content(flipped)

        assert found == messages[: len(found)]
        if len(found) < len(messages) and not damage:
            silent.append(bit)

    assert silent == []


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_file_raises_nothing(intact, data):
    """Parts are overwritten, cut out or doubled: only messages that were written are returned."""
    raw, messages, _ = intact
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        end = data.draw(st.integers(at, min(len(raw), at + 300)))
        junk = data.draw(
            st.one_of(st.binary(max_size=300), st.just(bytes(end - at)), st.just(raw[at:end] * 2))
        )
        raw = raw[:at] + junk + raw[end:]
    found, _ = content(raw)

    assert all(message in messages for message in found)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_damage(junk):
    """Bytes behind the magic that are not MCAP records are damage."""
    found, damage = content(MAGIC + junk)

    assert found == []
    assert len(damage) == bool(junk)


def test_a_file_that_is_being_written_ends_cleanly(directory):
    """The end of what was flushed is not damage."""
    path = directory / "open.mcap"
    write(path, finish=False)
    found, damage = content(path.read_bytes())

    assert (len(found), damage) == (10, [])


def test_a_write_in_progress_is_not_damage(intact):
    """A reader that finds half a chunk tries again, and reads the chunk once it is complete."""
    data, messages, ends = intact

    class Growing(io.BytesIO):
        """A file that grows with each seek to its end."""

        def seek(self, offset, whence=0):
            if whence == io.SEEK_END:
                at = self.tell()
                super().seek(0, io.SEEK_END)
                self.write(data[self.tell() : self.tell() + 40])
                super().seek(at)
            return super().seek(offset, whence)

    damage = []

    assert records(Growing(data[: ends[1] + 20]), damage) == messages
    assert damage == []


def test_the_place_of_damage_is_named(directory):
    """A report contains the file, the offset and the kind of damage."""
    path = directory / "named.mcap"
    ends = write(path)
    data = bytearray(path.read_bytes())
    data[ends[1] + 60] ^= 1
    found, (damage,) = content(data)

    assert len(found) == 4
    assert (damage.file, damage.offset) == ("file.mcap", ends[1])
    assert damage.what == "a chunk with a wrong checksum"


def test_a_chunk_without_a_checksum_is_damage(intact):
    """A checksum of zero does not disable the check."""
    data, _, ends = intact
    at = ends[1] + 9 + 24
    found, (damage,) = content(data[:at] + bytes(4) + data[at + 4 :])

    assert len(found) == 4
    assert damage.what == "a chunk with a wrong checksum"


def test_an_impossible_length_is_damage():
    """A record with a length of 2^50 bytes is damage."""
    _, (damage,) = content(MAGIC + b"\x06" + (2**50).to_bytes(8, "little") + b"x")

    assert "impossible length" in damage.what


def test_a_compressed_chunk_that_is_too_large_is_damage(directory):
    """A chunk of 72 MiB of zeros is damage."""
    path = directory / "bomb.mcap"
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=10**9, compression=CompressionType.ZSTD)
        writer.start()
        channel = writer.register_channel("topic", "msgpack", 0)
        for sequence in range(9):
            writer.add_message(channel, 0, bytes(8 * 2**20), 0, sequence)
        writer.finish()
    found, (damage,) = content(path.read_bytes())

    assert path.stat().st_size < 100_000
    assert found == []
    assert "impossible size" in damage.what
