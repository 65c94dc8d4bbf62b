"""Writes a clean copy of a damaged run or file; the original is not changed."""

import time
from itertools import islice
from pathlib import Path

from esper_bus.mcap.event_channels import FileMeta
from esper_bus.mcap.event_writer import EventWriter
from esper_bus.mcap.reader import ignore_damage
from esper_bus.mcap.salvage import salvage_file
from esper_bus.names import epoch_hex, new_epoch
from esper_bus.paths import RunPaths
from esper_bus.store.merged_streams import MergedStreams
from esper_bus.store.run_files import files_at
from esper_schemas.errors import InvalidArgument, StorageError

_FLUSH_EVENTS = 1000


def repair(path: Path, out: Path) -> int:
    """Write all events of `path` that can be read, in order and each once; returns their number.

    `path` is a run directory or an .mcap file, and `out` becomes the same. Raises `EsperError` if there is
    nothing to read, or if `out` exists, lies within the run or cannot be written.
    """
    files = files_at(path)
    _check_target(path, out)
    epoch = new_epoch()
    target = RunPaths(out).log_file(epoch, 0) if path.is_dir() else out
    run = files.run or path.resolve().name
    try:
        return _copy(MergedStreams(files, ignore_damage, salvage_file), target, run, epoch)
    except OSError as error:
        raise StorageError(f"Cannot write {target} ({error.strerror}); choose another path.") from error


def _copy(merge: MergedStreams, target: Path, run: str, epoch: int) -> int:
    meta = FileMeta(kind="log", run=run, writer_epoch=epoch_hex(epoch), created_ns=time.time_ns())
    writer = EventWriter(target, meta, compress=True)
    records, count = merge.records(), 0
    while part := list(islice(records, _FLUSH_EVENTS)):
        writer.append(part)
        writer.flush()
        count += len(part)
    writer.close()
    return count


def _check_target(path: Path, out: Path) -> None:
    if out.exists():
        raise InvalidArgument(f"{out} already exists; choose a new path for the copy.")
    original = _original(path.resolve())
    if out.resolve().is_relative_to(original):
        raise InvalidArgument(f"{out} lies within {original}, which is not changed; choose another path.")


def _original(path: Path) -> Path:
    """The run directory that a file lies in, otherwise the path itself."""
    run = RunPaths(path.parent.parent)
    return run.run_dir if path.is_file() and path.parent in (run.spool_dir, run.log_dir) else path
