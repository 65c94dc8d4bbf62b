"""Writes a clean copy of a damaged run or file; the original is not changed."""

from pathlib import Path

from esper_bus.mcap.reader import ignore_damage
from esper_bus.mcap.salvage import salvage_file
from esper_bus.store.copies import check_target, write_copy
from esper_bus.store.merged_streams import MergedStreams
from esper_bus.store.run_files import files_at


def repair(path: Path, out: Path) -> int:
    """Write all events of `path` that can be read, in order and each once; returns their number.

    `path` is a run directory or an .mcap file, and `out` becomes the same. Raises `EsperError` if there is
    nothing to read, or if `out` exists, lies within the run or cannot be written.
    """
    files = files_at(path)
    check_target(path, out)
    records = MergedStreams(files, ignore_damage, salvage_file).records()
    run, version = files.run or path.resolve().name, max(files.fold_versions, default=0)
    return write_copy(records, out, run, as_file=not path.is_dir(), fold_version=version)
