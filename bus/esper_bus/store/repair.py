"""Writes a clean copy of a damaged run or file; the original is only read."""

import time
from pathlib import Path

from esper_bus.mcap.event_channels import FileMeta, open_channel, write_meta
from esper_bus.mcap.reader import ignore_damage
from esper_bus.mcap.salvage import salvage_file
from esper_bus.mcap.writer import McapWriter
from esper_bus.names import epoch_hex, new_epoch
from esper_bus.paths import RunPaths
from esper_bus.records import StreamKey
from esper_bus.store.merged_streams import MergedStreams
from esper_bus.store.run_files import files_at
from esper_schemas.errors import InvalidArgument, StorageError

_FLUSH_EVENTS = 1000


def repair(path: Path, out: Path) -> int:
    """Write all events of `path` that can be read, in order and each once; returns their number.

    `path` is a run directory, then `out` becomes one, or an .mcap file, then `out` becomes one. Raises
    `EsperError` if there is nothing to read, or if `out` exists, lies within the run or cannot be written.
    """
    files = files_at(path)
    _check_place(path, out)
    epoch = new_epoch()
    target = RunPaths(out).log_file(epoch, 0) if path.is_dir() else out
    run = files.run or path.resolve().name
    try:
        return _copy(MergedStreams(files, ignore_damage, salvage_file), target, run, epoch)
    except OSError as error:
        raise StorageError(f"Cannot write {target} ({error.strerror}); choose another place.") from error


def _copy(merge: MergedStreams, target: Path, run: str, epoch: int) -> int:
    writer = McapWriter(target, compress=True)
    meta = FileMeta(kind="log", run=run, writer_epoch=epoch_hex(epoch), created_ns=time.time_ns())
    schema = write_meta(writer, meta)
    channels: dict[StreamKey, int] = {}
    count = 0
    for count, record in enumerate(merge.records(), start=1):
        key = record.stream
        if key not in channels:
            channels[key] = open_channel(writer, schema, key, record.seq)
        writer.message(channels[key], record.seq, record.received_ns, record.emitted_ns, record.data)
        if count % _FLUSH_EVENTS == 0:
            writer.flush()
    writer.close()
    return count


def _check_place(path: Path, out: Path) -> None:
    if out.exists():
        raise InvalidArgument(f"{out} exists already; choose a new place for the copy.")
    original = _original(path.resolve())
    if out.resolve().is_relative_to(original):
        raise InvalidArgument(f"{out} lies within {original}, which is left as it is; choose another place.")


def _original(path: Path) -> Path:
    """The run directory that a file belongs to, if it lies in one; whatever else is given, itself."""
    run = RunPaths(path.parent.parent)
    return run.run_dir if path.is_file() and path.parent in (run.spool_dir, run.log_dir) else path
