"""How `esper ppo` shows where it is: a bar on a terminal, a line per update otherwise."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from esper_trainer.run.progress_report import UpdateReport, update_line, update_numbers


@contextmanager
def progress(episodes: int) -> Iterator[Callable[[UpdateReport], None]]:
    """A display for a training of so many updates."""
    if not sys.stdout.isatty():
        yield lambda report: print(update_line(report), flush=True)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns) as bar:
        task = bar.add_task("measuring what always waiting returns", total=episodes)
        yield lambda report: bar.update(task, completed=report.update, description=update_numbers(report))
