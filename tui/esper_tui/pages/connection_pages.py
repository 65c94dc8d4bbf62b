"""RANKS, LINK and RUNS, opened: trainer processes, counters of the link, runs of the aggregator."""

import textwrap

from esper_schemas.snapshot import RankState, SanctumSnapshot
from esper_tui.pages.page import ALL, Entry, explained_entry, wrapped
from esper_tui.panels.link_panel import link_explanations, link_rows
from esper_tui.panels.ranks_panel import ranks_rows
from esper_tui.text.explanation import Explanation, explanation_rows
from esper_tui.text.numbers import count, time_of_day
from esper_tui.text.spans import Row, Rows, Span, Tone, clean
from esper_tui.view.view import View

RANK = Explanation(
    "One trainer process. It is marked if the others wait for it because its last rollouts were clearly "
    "slower, or if it is silent or updates behind while they continue.",
    "similar speeds; silent for no longer than one update takes",
    "Check the machine of the marked one for other programs, a slow disk or thermal throttling.",
)


def rank_entries(view: View, width: int) -> list[Entry]:
    """The ranks as in the panel, with the process of each as details."""
    rows, ranks = ranks_rows(view.snapshot, width, ALL), view.snapshot.ranks
    titles, listed = rows[: len(rows) - len(ranks)], rows[len(rows) - len(ranks) :]
    return [
        *map(Entry, titles),
        *(_rank(row, rank) for row, rank in zip(listed, ranks, strict=True)),
    ]


def _rank(row: Row, rank: RankState) -> Entry:
    where = f"Process {count(rank.pid)} on {rank.host or 'an unknown host'}, {count(rank.events)} events."
    last_ns = rank.last_event_ns
    last = "" if last_ns is None else f" The last one was emitted at {time_of_day(last_ns)}."
    return Entry(row, lambda width: (*explanation_rows(RANK, width), *wrapped(where + last, width)))


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
        return Entry(row, lambda width: wrapped("enter watches this run", width, Tone.DIM))
    return Entry((*row, Span("  watched", Tone.DIM)), lambda width: _start_options(snapshot, width))


def _start_options(snapshot: SanctumSnapshot, width: int) -> Rows:
    config = snapshot.run.config or {"task": snapshot.run.task, "seed": snapshot.run.seed}
    items = (f"{clean(name)} {'–' if value is None else clean(str(value))}" for name, value in config.items())
    lines = textwrap.wrap(" · ".join(items), max(width, 10))
    return (*wrapped("Started with", width, Tone.LABEL), *((Span(line),) for line in lines))
