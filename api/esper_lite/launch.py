"""What a process knows of itself when it starts to be recorded: its rank, and a name for its run."""

import os
import re
import sys
from itertools import count
from pathlib import Path

from esper_bus.names import check_name
from esper_schemas.errors import InvalidArgument, StorageError
from esper_schemas.events import RunStarted

_MAX_BASE = 80
"""Characters of a name that Esper makes; a number follows."""


def rank_and_world_size(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Return the given numbers, or else those of `torchrun` and other launchers in the environment.

    Raises `InvalidArgument` for numbers that do not fit each other, or a variable that is not a number.
    """
    local = _variable("LOCAL_RANK", 0)
    rank = _variable("RANK", local) if rank is None else rank
    world_size = _variable("WORLD_SIZE", 1) if world_size is None else world_size
    if not 0 <= rank < world_size:
        raise InvalidArgument(
            f"rank={rank} must be at least 0 and less than world_size={world_size}; pass both, or set RANK "
            "and WORLD_SIZE."
        )
    return rank, world_size


def create_run_dir(runs_dir: Path, started: RunStarted | None, world_size: int) -> Path:
    """Create the directory of a run that was not named: `cartpole`, `cartpole-2` and so on.

    The name is that of the task, or else of the program. Raises `InvalidArgument` for one of several
    processes, which cannot agree on a name, and `StorageError`.
    """
    if world_size > 1:
        raise InvalidArgument("Name the run: several processes train together, and all need the same name.")
    base = _base_name(started)
    names = (base if number == 1 else f"{base}-{number}" for number in count(1))
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        return next(runs_dir / name for name in names if _is_new(runs_dir / check_name("run", name)))
    except OSError as error:
        raise StorageError(
            f"Cannot create a run in {runs_dir} ({error.strerror}); choose another runs directory."
        ) from error


def _is_new(run_dir: Path) -> bool:
    """Create a directory; return whether there was none. Raises `OSError`."""
    try:
        run_dir.mkdir()
    except FileExistsError:
        return False
    return True


def _base_name(started: RunStarted | None) -> str:
    return name_from((started.task if started else "") or Path(sys.argv[0]).stem)


def name_from(text: str) -> str:
    """Return a valid name of a run that resembles a text, such as the name of a task or a folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:_MAX_BASE] or "run"


def _variable(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    if not text:
        return default
    if not text.isdecimal():
        raise InvalidArgument(
            f"{name}={text!r} in the environment is not a number; unset it, or pass rank and world_size."
        )
    return int(text)
