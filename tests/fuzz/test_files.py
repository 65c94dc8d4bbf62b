"""Changed files, addresses and names raise only the declared errors."""

import io
import re
import string

import pytest
from mcap.writer import MCAP0_MAGIC

from esper_bus import addresses
from esper_bus.mcap.event_channels import EventChannels
from esper_bus.mcap.reader import CutShort, read_chunks, read_file
from esper_bus.names import file_part, is_name
from esper_bus.paths import RunPaths
from esper_bus.records import Batch, RawRecord, StreamKey
from esper_bus.store.log_writer import LogWriter
from esper_bus.store.spool import SpoolWriter
from esper_schemas.codec import encode_event
from esper_schemas.errors import EsperError, InvalidArgument
from esper_schemas.events import EpisodeCompleted
from esper_schemas.metrics.overrides import overridden

KEY = StreamKey("run", "host:0", 7)
EVENTS, CHUNK = 40, 10
TOML = b"""
[kl_divergence]
warning_above = 0.02
critical_above = 0.05
trend_threshold = 0.2
[head_entropy]
critical_below = 0.1
warning_below = inf
"""


def entry(seq):
    """One event."""
    event = EpisodeCompleted(environment=0, episode=seq, episode_return=0.5 * seq, length=9)
    return 10**18 + seq, encode_event(event)


def write_spool(directory):
    """A spool of a hundred events in four chunks."""
    spool = SpoolWriter(RunPaths(directory), KEY)
    for first in range(0, EVENTS, CHUNK):
        spool.write(Batch(first, [entry(seq) for seq in range(first, first + CHUNK)]))
    spool.close()
    return spool.path


def write_log(directory):
    """A compressed log of a hundred events in four chunks."""
    log = LogWriter(directory, "run", 5, 0)
    for seq in range(EVENTS):
        log.extend([RawRecord(KEY, seq, 10**18, 10**18, entry(seq)[1])])
        if seq % CHUNK == CHUNK - 1:
            log.flush()
    log.close()
    return RunPaths(directory).log_file(5, 0)


@pytest.fixture(params=[write_spool, write_log])
def file(request, tmp_path):
    """A valid file of each kind."""
    return request.param(tmp_path)


@pytest.fixture
def valid_records(file):
    """The records of the valid file."""
    return read(file.read_bytes())[0]


def read(data):
    """The records in a file's bytes, and the damage that is reported."""
    damage = []
    chunks = read_chunks(io.BytesIO(data), EventChannels(), 0, "file", damage.append)
    return [record for chunk in chunks for record in chunk.records], damage


@pytest.mark.slow
def test_a_file_cut_at_any_byte_gives_its_first_records(file, valid_records):
    """The records of a truncated file are the first ones of the valid file: all before the cut, no fewer."""
    data = file.read_bytes()
    most = 0
    for end in range(len(data)):
        found, damage = read(data[:end])
        most = max(most, len(found))

        assert found == valid_records[:most]
        assert all(isinstance(place, CutShort) for place in damage) or end < len(MCAP0_MAGIC)
    assert most == len(valid_records) == EVENTS


@pytest.mark.slow
def test_a_flipped_bit_at_any_byte_never_changes_an_event(file, valid_records):
    """The records are the first ones of the valid file; if some are missing, damage is reported."""
    data = file.read_bytes()
    for at in range(len(data)):
        found, damage = read(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])

        assert found == valid_records[: len(found)]
        assert len(found) == len(valid_records) or damage


@pytest.mark.slow
def test_a_changed_file_never_raises(file, valid_records, mutations):
    """Only records of the valid file are returned."""
    known = set(valid_records)
    for changed in mutations([file.read_bytes()], 5_000):
        found, _ = read(changed)

        assert set(found) <= known


def raw_records(data):
    """The MCAP records of a file, each with its header."""
    at = 8
    while at + 9 <= len(data) - 8:
        length = int.from_bytes(data[at + 1 : at + 9], "little")
        yield data[at : at + 9 + length]
        at += 9 + length


@pytest.mark.parametrize("order", [(0, 2, 1, 3), (0, 1, 1, 2, 3), (0, 3), (0, 1, 0)])
def test_chunks_in_another_order_keep_their_events(tmp_path, order):
    """In swapped, duplicated and missing chunks, each event keeps its own number and bytes."""
    spool = write_spool(tmp_path)
    data = spool.read_bytes()
    records = list(raw_records(data))
    header, meta, *chunks = [r for r in records if r[0] in (1, 6)]
    spool.write_bytes(data[:8] + header + meta + b"".join(chunks[which] for which in order))
    found = [(record.seq, record.data) for record in read_file(spool, lambda damage: None)]

    assert found == [
        (seq, entry(seq)[1]) for which in order for seq in range(CHUNK * which, CHUNK * (which + 1))
    ]


def test_a_large_length_field_allocates_no_memory(file, peak_memory):
    """A length field larger than the limit allocates no memory."""
    data = file.read_bytes()
    for at in range(8, 400):
        read(data[:at] + b"\xff\xff\xff\xff\xff\xff\xff\x7f" + data[at + 8 :])

    assert peak_memory() < 100 * 1024 * 1024


def test_changed_overrides_are_read_or_refused(mutations):
    """A changed file of thresholds gives bands or an `InvalidArgument`."""
    for changed in mutations([TOML], 3_000):
        try:
            assert overridden(changed.decode(errors="replace"))
        except InvalidArgument:
            continue


def test_changed_addresses_are_parsed_or_refused(mutations):
    """A changed address gives three different endpoints or an `EsperError`."""
    samples = [b"tcp://127.0.0.1:5556", b"ipc:///tmp/esper", b"tcp://[::1]:5556", b"tcp://localhost"]
    for changed in mutations(samples, 20_000):
        try:
            endpoints = addresses.parse(changed.decode(errors="replace"))
        except EsperError:
            continue
        assert len(set(endpoints)) == 3


def test_a_name_never_leaves_its_directory(tmp_path, mutations):
    """Every valid name gives a file directly in the directory of spools."""
    for changed in mutations([b"host:0", b"../../etc", b"a.b_c-d@e+f"], 20_000):
        name = changed.decode(errors="replace")
        if is_name(name):
            path = RunPaths(tmp_path).spool_file(name, 7)

            assert path.parent == tmp_path / "spool"
            assert set(file_part(name)) <= set(string.ascii_letters + string.digits + "._-")
            assert re.fullmatch(r"[^/]+\.mcap", path.name)
