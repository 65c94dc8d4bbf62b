"""The progress of a training: a bar on a terminal, a line per update otherwise."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from esper_cli.output.echo import echo
from esper_trainer.run.progress_report import UpdateReport, update_line, update_numbers


@contextmanager
def progress(episodes: int) -> Iterator[Callable[[UpdateReport], None]]:
    """A callback that shows each update of a training of `episodes` updates."""
    if not sys.stdout.isatty():
        yield print_update
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns) as bar:
        task = bar.add_task("measuring the baseline return", total=episodes)
        yield lambda report: bar.update(task, completed=report.update, description=update_numbers(report))


def print_update(report: UpdateReport) -> None:
    """Print one update as a line, at once."""
    echo(update_line(report))
    sys.stdout.flush()
