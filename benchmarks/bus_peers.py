"""The cost of an event in other things that could have been the log."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from mcap.records import Message
from mcap.stream_reader import StreamReader

from esper_bus.store.run_reader import read_raw
from esper_schemas.codec import decode_event


def jsonl(directory: Path, events: Sequence[bytes], batch: int) -> float:
    """CPU microseconds per event: decode, write a line of JSON, one write for each batch."""
    encoder = msgspec.json.Encoder()
    begin = time.process_time()
    with (directory / "peer.jsonl").open("wb", buffering=0) as file:
        for first in range(0, len(events), batch):
            lines = [encoder.encode(decode_event(data)) for data in events[first : first + batch]]
            file.write(b"\n".join(lines) + b"\n")
    return _per_event(begin, len(events))


def sqlite(directory: Path, events: Sequence[bytes], batch: int) -> float:
    """CPU microseconds per event: a row of bytes each, one commit for each batch, write-ahead log."""
    begin = time.process_time()
    database = sqlite3.connect(directory / "peer.sqlite")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, data BLOB)")
    for first in range(0, len(events), batch):
        rows = enumerate(events[first : first + batch], first)
        database.executemany("INSERT INTO events VALUES (?, ?)", rows)
        database.commit()
    database.close()
    return _per_event(begin, len(events))


def own_reader(run_dir: Path) -> float:
    """CPU microseconds per event: our reader of a log, checked, not decoded."""
    begin = time.process_time()
    return _per_event(begin, sum(1 for _ in read_raw(run_dir)))


def mcap_reader(run_dir: Path) -> float:
    """CPU microseconds per event: the `mcap` library's own reader of the same files, checked."""
    begin = time.process_time()
    return _per_event(begin, sum(1 for _ in _mcap_messages(run_dir)))


def _mcap_messages(run_dir: Path) -> Iterator[Message]:
    for path in sorted((run_dir / "log").glob("*.mcap")):
        with path.open("rb") as file:
            for record in StreamReader(file, validate_crcs=True).records:
                if isinstance(record, Message):
                    yield record


def _per_event(begin: float, events: int) -> float:
    return 1e6 * (time.process_time() - begin) / events
