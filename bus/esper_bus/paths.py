"""Paths of the files of a run, and the disk space they may use. Opens no files."""

import os
import re
from glob import escape
from pathlib import Path
from typing import NamedTuple

from esper_bus.limits import MIN_SPOOL_QUOTA_BYTES, SPOOL_QUOTA_BYTES
from esper_bus.names import epoch_hex, file_part
from esper_schemas.errors import InvalidArgument

_SIZE = re.compile(r"(\d{1,18})([KMGT]?)(?:I?B)?")
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def default_runs_dir() -> Path:
    """The default directory of runs: `$ESPER_RUNS_DIR`, or `runs` in the working directory."""
    return Path(os.environ.get("ESPER_RUNS_DIR") or "runs")


def default_spool_quota() -> int:
    """The bytes that one spool may use: `$ESPER_SPOOL_QUOTA`, or 2 GiB if it is not set.

    Raises `InvalidArgument` if it is not a size such as `500M` or `4G`, or less than 16 MiB.
    """
    text = os.environ.get("ESPER_SPOOL_QUOTA", "").strip()
    return spool_quota(text, "ESPER_SPOOL_QUOTA") if text else SPOOL_QUOTA_BYTES


def spool_quota(text: str, name: str) -> int:
    """Parse a quota in bytes, such as `500M`, `4G` or a plain number; `name` is its name in the error.

    Raises `InvalidArgument` if the text is not a size, or less than 16 MiB.
    """
    found = _SIZE.fullmatch(text.upper())
    size = int(found[1]) << _UNITS[found[2]] if found else 0
    if size < MIN_SPOOL_QUOTA_BYTES:
        raise InvalidArgument(f"{name} must be a size of at least 16 MiB, such as 500M or 4G, not {text!r}.")
    return size


def spool_files(lock: Path) -> list[Path]:
    """The files of the spool that this lock belongs to, in order; the oldest may have been removed."""
    return sorted(lock.parent.glob(f"{escape(lock.stem)}*.mcap"), key=spool_file_order)


def spool_file_order(path: Path) -> tuple[str, int]:
    """Sort key of a spool file: the name of its spool and its number in it."""
    stem, _, number = path.stem.rpartition(".")
    return (stem, int(number)) if number.isdecimal() else (path.stem, 0)


class RunPaths(NamedTuple):
    """The files of one run."""

    run_dir: Path

    @property
    def spool_dir(self) -> Path:
        """The directory of the trainers' spools."""
        return self.run_dir / "spool"

    @property
    def log_dir(self) -> Path:
        """The directory of the aggregator's log."""
        return self.run_dir / "log"

    def spool_file(self, producer: str, epoch: int, number: int = 0) -> Path:
        """File number `number` of the spool of one start of one producer, counted from 0."""
        suffix = f".{number}.mcap" if number else ".mcap"
        return self.spool_dir / f"{file_part(producer)}-{epoch_hex(epoch)}{suffix}"

    def log_file(self, agg_epoch: int, number: int) -> Path:
        """File number `number` of those that one start of an aggregator writes, counted from 0."""
        return self.log_dir / f"{epoch_hex(agg_epoch)}-{number}.mcap"
