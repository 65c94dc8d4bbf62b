"""Failed trainings: one sentence for the user, and a file with the traceback."""

import traceback
from pathlib import Path

from esper_schemas.errors import EsperError
from esper_trainer.ranks.lost_ranks import RankLostError
from esper_trainer.run.run_directory import recovery_advice

TRACEBACK = "failure.txt"
"""File name in the directory of the run."""


class TrainingFailedError(EsperError):
    """Training started and failed; the message says why and what to do."""


def record_failure(run_dir: Path, error: Exception) -> TrainingFailedError:
    """Write the traceback to the run's directory if possible, and return the error to raise."""
    path = run_dir / TRACEBACK
    try:
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        where = f"the traceback is in {path}"
    except OSError:
        where = "the traceback could not be written"
    return TrainingFailedError(
        f"Training failed ({error_summary(error)}); {where}; {recovery_advice(run_dir)}."
    )


def error_summary(error: Exception) -> str:
    """The type and the first line of an error."""
    lines = str(error).strip().splitlines()
    if isinstance(error, RankLostError):
        return str(error)
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
