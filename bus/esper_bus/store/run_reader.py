"""Reads a recorded file, or a run with its log and spools as one stream of events."""

from collections.abc import Iterator
from pathlib import Path

from esper_bus.mcap.reader import Damage, OnDamage, Unreadable, ignore_damage
from esper_bus.records import RawRecord
from esper_bus.store.merged_streams import MergedStreams
from esper_bus.store.run_files import RunFiles, files_at, log_files
from esper_schemas.errors import StorageError
from esper_schemas.events import Record

__all__ = [
    "Damage",
    "OnDamage",
    "read_log",
    "read_raw",
    "read_records",
    "readable_files",
    "refuse_unreadable",
    "run_name",
]


def read_raw(path: Path, on_damage: OnDamage = ignore_damage) -> Iterator[RawRecord]:
    """The events of a run directory or an .mcap file, each once.

    Of a run: the log in its order, with gaps filled from the spools, then the events that only the spools
    have, by time; a stream is always in its own order. Raises `InvalidArgument` if there is nothing to read.
    """
    return MergedStreams(readable_files(path), on_damage).records()


def read_log(run_dir: Path, on_damage: OnDamage = ignore_damage) -> Iterator[RawRecord]:
    """The events of the aggregator's log of a run, without the spools; none if there is no log.

    Raises `OSError` if the directory of the log cannot be listed.
    """
    return MergedStreams(log_files(run_dir), on_damage).records()


def refuse_unreadable(on_damage: OnDamage = ignore_damage) -> OnDamage:
    """As `on_damage`, but raises `StorageError` for a file that cannot be read.

    For readers that count: what cannot be read must not pass for what is not there.
    """

    def report(damage: Damage) -> None:
        if isinstance(damage, Unreadable):
            raise StorageError(f"{damage.file} is {damage.what}; make it readable.")
        on_damage(damage)

    return report


def read_records(path: Path, on_damage: OnDamage = ignore_damage) -> Iterator[Record]:
    """As `read_raw`, with the events decoded."""
    return (record.decoded() for record in read_raw(path, on_damage))


def run_name(path: Path) -> str:
    """The name of the run in a run directory or file. Raises `InvalidArgument` if there is none."""
    return readable_files(path).run or path.resolve().stem


def readable_files(path: Path) -> RunFiles:
    """As `files_at`; raises `StorageError` if the path cannot be read."""
    try:
        return files_at(path)
    except OSError as error:
        raise StorageError(f"Cannot read {path} ({error.strerror}); choose another path.") from error
