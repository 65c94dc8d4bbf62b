"""The user's cache: what readers have derived from runs, whose directories they leave as they are."""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

_KEPT = 64
"""The number of entries of each kind that remain: those that were written last."""


def cache_entry(kind: str, path: Path, variant: str = "") -> Path:
    """Return the place for what is derived from a run or file, below `$XDG_CACHE_HOME` or `~/.cache`."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = hashlib.sha256(os.fsencode(path.resolve()) + b"\0" + variant.encode("utf-8", "replace"))
    return Path(home) / "esper" / kind / name.hexdigest()[:32]


def make_room(directory: Path) -> None:
    """Remove the oldest entries of a kind, so that there is room for one more."""
    with contextlib.suppress(OSError):
        kept = sorted(directory.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in kept[_KEPT - 1 :]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
