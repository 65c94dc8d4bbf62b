"""Writes events to a new run or file, of which nothing may exist yet."""

import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from esper_bus.mcap.event_channels import FileMeta
from esper_bus.mcap.event_writer import EventWriter
from esper_bus.names import epoch_hex, new_epoch
from esper_bus.paths import RunPaths
from esper_bus.records import RawRecord
from esper_schemas.errors import InvalidArgument, StorageError

_FLUSH_EVENTS = 1000


def write_copy(
    records: Iterable[RawRecord], out: Path, run: str, *, as_file: bool, fold_version: int = 0
) -> int:
    """Write the events of a run to a file, or to the log of a run directory; returns their number.

    `fold_version` is that of the original, 0 if it is not known. Raises `StorageError` if `out` cannot be
    written.
    """
    epoch = new_epoch()
    target = out if as_file else RunPaths(out).log_file(epoch, 0)
    meta = FileMeta(
        kind="log",
        run=run,
        writer_epoch=epoch_hex(epoch),
        created_ns=time.time_ns(),
        fold_version=fold_version,
    )
    try:
        return _write(EventWriter(target, meta, compress=True), records)
    except OSError as error:
        raise StorageError(f"Cannot write {target} ({error.strerror}); choose another path.") from error


def check_target(path: Path, out: Path) -> None:
    """Raise `InvalidArgument` if a copy of `path` cannot become `out`: it exists, or lies within the run."""
    if out.exists():
        raise InvalidArgument(f"{out} already exists; choose a new path for the copy.")
    original = _original(path.resolve())
    if out.resolve().is_relative_to(original):
        raise InvalidArgument(f"{out} lies within {original}, which is not changed; choose another path.")


def _write(writer: EventWriter, records: Iterable[RawRecord]) -> int:
    rest, count = iter(records), 0
    while part := list(islice(rest, _FLUSH_EVENTS)):
        writer.append(part)
        writer.flush()
        count += len(part)
    writer.close()
    return count


def _original(path: Path) -> Path:
    """The run directory that a file lies in, otherwise the path itself."""
    run = RunPaths(path.parent.parent)
    return run.run_dir if path.is_file() and path.parent in (run.spool_dir, run.log_dir) else path
