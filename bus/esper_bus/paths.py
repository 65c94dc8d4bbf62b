"""Where the files of a run are, and how much of the disk they may take. Opens no file."""

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
    """Where runs are kept unless a command says otherwise: `$ESPER_RUNS_DIR`, or `runs` right here."""
    return Path(os.environ.get("ESPER_RUNS_DIR") or "runs")


def default_spool_quota() -> int:
    """What `$ESPER_SPOOL_QUOTA` allows one spool to take, in bytes; 2 GiB if it says nothing.

    Raises `InvalidArgument` for what is no size, as `500M` and `4G` are, and for less than 16 MiB.
    """
    text = os.environ.get("ESPER_SPOOL_QUOTA", "").strip()
    return spool_quota(text, "ESPER_SPOOL_QUOTA") if text else SPOOL_QUOTA_BYTES


def spool_quota(text: str, name: str) -> int:
    """The bytes that a text means, such as `500M`, `4G` or a number.

    Raises `InvalidArgument` that names what the text was given as, for no size and for less than 16 MiB.
    """
    found = _SIZE.fullmatch(text.upper())
    size = int(found[1]) << _UNITS[found[2]] if found else 0
    if size < MIN_SPOOL_QUOTA_BYTES:
        raise InvalidArgument(
            f"{name} is {text!r}, which is no size of at least 16 MiB; write it as 500M or 4G."
        )
    return size


def spool_files(lock: Path) -> list[Path]:
    """The files, in their order, of the spool beside which this lock lies; the oldest may be gone."""
    return sorted(lock.parent.glob(f"{escape(lock.stem)}*.mcap"), key=spool_place)


def spool_place(path: Path) -> tuple[str, int]:
    """Which spool a file belongs to, and which of its files it is."""
    stem, _, number = path.stem.rpartition(".")
    return (stem, int(number)) if number.isdecimal() else (path.stem, 0)


class RunPaths(NamedTuple):
    """The files of one run."""

    run_dir: Path

    @property
    def spool_dir(self) -> Path:
        """Where the trainers of the run write."""
        return self.run_dir / "spool"

    @property
    def log_dir(self) -> Path:
        """Where the aggregator writes."""
        return self.run_dir / "log"

    def spool_file(self, producer: str, epoch: int, number: int = 0) -> Path:
        """One of the files of the spool of one start of one producer."""
        later = f".{number}" if number else ""
        return self.spool_dir / f"{file_part(producer)}-{epoch_hex(epoch)}{later}.mcap"

    def log_file(self, agg_epoch: int, number: int) -> Path:
        """One of the files that one start of an aggregator writes, numbered from 0."""
        return self.log_dir / f"{epoch_hex(agg_epoch)}-{number}.mcap"
