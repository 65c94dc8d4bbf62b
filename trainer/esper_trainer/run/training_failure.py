"""A training that broke: one sentence for whoever started it, and the traceback for whoever mends it."""

import traceback
from pathlib import Path

from esper_schemas.errors import EsperError
from esper_trainer.ranks.lost_ranks import RankLostError
from esper_trainer.run.run_directory import recovery_advice

TRACEBACK = "failure.txt"
"""In the directory of the run."""


class TrainingFailedError(EsperError):
    """A training had begun and cannot go on; the message is one sentence that says why and what to do."""


def record_failure(run_dir: Path, error: Exception) -> TrainingFailedError:
    """What to tell of an error; keeps its traceback if the disk takes it."""
    path = run_dir / TRACEBACK
    try:
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        where = f"the traceback is in {path}"
    except OSError:
        where = "its traceback could not be written"
    return TrainingFailedError(
        f"Training failed ({error_summary(error)}); {where}; {recovery_advice(run_dir)}."
    )


def error_summary(error: Exception) -> str:
    """What went wrong, in one line."""
    lines = str(error).strip().splitlines()
    if isinstance(error, RankLostError):
        return str(error)
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
