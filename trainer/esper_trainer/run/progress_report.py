"""Reports to the caller of the trainer, after every update and at the end, and their text."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

RunOutcome = Literal["completed", "interrupted"]
"""How a run can end without an error."""


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """A completed update of the run, with the numbers of all its processes; its events have been emitted."""

    update: int
    episodes: int
    mean_return: float
    mean_accuracy: float
    env_steps: int
    steps_per_second: float
    policy_loss: float
    value_loss: float


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """The result of a run, of all its processes. Returns are None if there was no update.

    baseline_return: mean return of always choosing WAIT in the same environments. steps_per_second:
    environment steps per second of the whole loop, including updates. profile: the directory of the
    profiler's traces, if any.
    """

    updates: int
    env_steps: int
    steps_per_second: float
    first_mean_return: float | None
    last_mean_return: float | None
    baseline_return: float
    mean_accuracy: float | None
    outcome: RunOutcome
    seconds: float
    profile: Path | None = None


def update_line(report: UpdateReport) -> str:
    """One update as one line of text."""
    return f"update {report.update:>4}/{report.episodes}  {update_numbers(report)}"


def update_numbers(report: UpdateReport) -> str:
    """The main numbers of an update in aligned columns."""
    return (
        f"return {report.mean_return:7.3f}  policy loss {report.policy_loss:7.3f}  "
        f"value loss {report.value_loss:7.3f}  {report.steps_per_second:7,.0f} steps/s"
    )


def summary_lines(summary: TrainingSummary, run_dir: Path) -> list[str]:
    """The result of a training, and where it is recorded."""
    lines = [
        f"{summary.outcome}: {summary.updates} updates, {summary.env_steps:,} environment steps in "
        f"{summary.seconds:.1f} s ({summary.steps_per_second:,.0f} steps/s)"
    ]
    if summary.last_mean_return is not None:
        lines.append(
            f"mean return {summary.first_mean_return:.3f} → {summary.last_mean_return:.3f}; "
            f"always WAIT returns {summary.baseline_return:.3f}"
        )
    if summary.profile is not None:
        lines.append(
            f"profile written to {summary.profile}; open it with: tensorboard --logdir {summary.profile} "
            "(torch-tb-profiler), or a trace at https://ui.perfetto.dev"
        )
    return [*lines, f"recorded in {run_dir}; view it with: sanctum {run_dir}"]
