"""LINK and RUNS, opened: counters of the link, runs of the aggregator."""

import textwrap

from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.pages.page import ALL, Entry, explained_entry, wrapped
from esper_tui.panels.link_panel import link_explanations, link_rows
from esper_tui.text.spans import Rows, Span, Tone, clean
from esper_tui.view.view import View


def link_entries(view: View, width: int) -> list[Entry]:
    """The counters, each with its explanation."""
    rows = link_rows(view, width, ALL)
    return [explained_entry(row, about) for row, about in zip(rows, link_explanations(), strict=True)]


def run_entries(view: View, width: int) -> list[Entry]:
    """The runs of the aggregator; the details of the watched one are the options of its start."""
    return [_run(view.snapshot, run) for run in view.link.runs or (view.snapshot.run.run,)]


def _run(snapshot: SanctumSnapshot, run: str) -> Entry:
    row = (Span(clean(run)),)
    if run != snapshot.run.run:
        return Entry(row, lambda width: wrapped("enter watches this run", width, Tone.DIM), run)
    return Entry((*row, Span("  watched", Tone.DIM)), lambda width: _start_options(snapshot, width), run)


def _start_options(snapshot: SanctumSnapshot, width: int) -> Rows:
    config = snapshot.run.config or {"task": snapshot.run.task, "seed": snapshot.run.seed}
    items = (f"{clean(name)} {'–' if value is None else clean(str(value))}" for name, value in config.items())
    lines = textwrap.wrap(" · ".join(items), max(width, 10))
    return (*wrapped("Started with", width, Tone.LABEL), *((Span(line),) for line in lines))
