"""How `esper ppo` shows where it is: a bar on a terminal, a line per update otherwise; a summary."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from esper_trainer.progress import TrainingSummary, UpdateReport


class OnUpdate(Protocol):
    """Called after every PPO update."""

    def __call__(self, report: "UpdateReport") -> None:
        """Show one update."""
        ...


@contextmanager
def progress(episodes: int) -> Iterator[OnUpdate]:
    """A display for a training of so many updates."""
    if not sys.stdout.isatty():
        yield lambda report: print(update_line(report), flush=True)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns) as bar:
        task = bar.add_task("measuring what always waiting returns", total=episodes)
        yield lambda report: bar.update(task, completed=report.update, description=_numbers(report))


def update_line(report: "UpdateReport") -> str:
    """One update as one line."""
    return f"update {report.update:>4}/{report.episodes}  {_numbers(report)}"


def _numbers(report: "UpdateReport") -> str:
    payload = report.payload
    return (
        f"return {report.mean_return:7.3f}  policy loss {payload.policy_loss:7.3f}  "
        f"value loss {payload.value_loss:7.3f}  {report.steps_per_second:7,.0f} steps/s"
    )


def summary_lines(summary: "TrainingSummary", run_dir: Path) -> list[str]:
    """What came of a training, and where it is recorded."""
    lines = [
        f"{summary.outcome}: {summary.updates} updates, {summary.env_steps:,} environment steps in "
        f"{summary.seconds:.1f} s ({summary.steps_per_second:,.0f} steps/s)"
    ]
    if summary.last_mean_return is not None:
        lines.append(
            f"mean return {summary.first_mean_return:.3f} → {summary.last_mean_return:.3f}; "
            f"always WAIT returns {summary.baseline_return:.3f}"
        )
    return [*lines, f"recorded in {run_dir}; look at it with: sanctum {run_dir}"]
