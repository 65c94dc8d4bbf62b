"""RANKS, opened: every trainer process, and as details its own numbers beside those of the run."""

from collections.abc import Iterator

from esper_schemas.metrics.catalogue import CATALOGUE
from esper_schemas.snapshot import RankState, SanctumSnapshot
from esper_schemas.state import HISTORY_LENGTH, HISTORY_METRICS
from esper_tui.pages.page import ALL, Entry, wrapped
from esper_tui.panels.ranks_panel import ranks_rows
from esper_tui.text.explanation import Explanation, explanation_rows
from esper_tui.text.numbers import count, number, time_of_day
from esper_tui.text.spans import Row, Rows, Span, Tone, left, right
from esper_tui.view.view import View

RANK = Explanation(
    "One trainer process. ~ marks one for which the others wait, because its last rollouts were clearly "
    "slower, or that is silent or updates behind while they continue; ✗ marks one that shares its rank.",
    "similar speeds; silent for no longer than one update takes; each rank is one process",
    "Check the machine of the marked one for other programs, a slow disk or thermal throttling.",
)
LABEL_WIDTH, VALUE_WIDTH, GAP = 15, 11, 3
WIDE = 2 * (LABEL_WIDTH + 2 * VALUE_WIDTH) + GAP
"""The width from which on the numbers are in two columns."""


def rank_entries(view: View, width: int) -> list[Entry]:
    """The ranks as in the panel, with the numbers and the process of each as details."""
    rows, ranks = ranks_rows(view.snapshot, width, ALL), view.snapshot.ranks
    titles, listed = rows[: len(rows) - len(ranks)], rows[len(rows) - len(ranks) :]
    return [
        *map(Entry, titles),
        *(_rank(row, view.snapshot, rank) for row, rank in zip(listed, ranks, strict=True)),
    ]


def _rank(row: Row, snapshot: SanctumSnapshot, rank: RankState) -> Entry:
    def details(width: int) -> Rows:
        about = (*wrapped(_process(snapshot, rank), width), *explanation_rows(RANK, width))
        return (*_numbers(snapshot, rank, width), (), *about)

    return Entry(row, details)


def _process(snapshot: SanctumSnapshot, rank: RankState) -> str:
    where = f"Process {count(rank.pid)} on {rank.host or 'an unknown host'}, {count(rank.events)} events."
    last_ns = rank.last_event_ns
    last = "" if last_ns is None else f" The last one was emitted at {time_of_day(last_ns)}."
    behind = snapshot.tamiyo.last_update - rank.last_update
    left_out = behind >= HISTORY_LENGTH and len(snapshot.ranks) > 1
    apart = f" It is {count(behind)} updates behind and has no part in the run's means." if left_out else ""
    return where + last + apart


def _numbers(snapshot: SanctumSnapshot, rank: RankState, width: int) -> Rows:
    """The numbers of one rank and, if there are several, of the run; in two columns if there is room."""
    titles, *rows = _rows(snapshot, rank)
    if width < WIDE:
        return (titles, *rows)
    half = (len(rows) + 1) // 2
    first, second = [titles, *rows[:half]], [titles, *rows[half:], ()]
    return tuple((*row, Span(" " * GAP), *other) for row, other in zip(first, second, strict=False))


def _rows(snapshot: SanctumSnapshot, rank: RankState) -> Iterator[Row]:
    run, tamiyo = snapshot.run, snapshot.tamiyo
    several = len(snapshot.ranks) > 1
    titles = (f"rank {count(rank.rank)}", "run" if several else "")
    yield (Span(" " * LABEL_WIDTH), *(right(title, VALUE_WIDTH, Tone.LABEL) for title in titles))
    yield _row("Update", rank.last_update, tamiyo.last_update if several else "", 0)
    for name in HISTORY_METRICS:
        metric, of_run = CATALOGUE[name].metric, getattr(tamiyo, name) if several else ""
        yield _row(metric.label, getattr(rank, name), of_run, metric.precision)
    yield _row("Mean return", rank.mean_return, run.mean_return if several else "", 3)
    yield _row("Env steps", rank.env_steps_total, run.env_steps_total if several else "", 0)
    yield _row("Steps/s", rank.steps_per_second, run.steps_per_second if several else "", 0)
    yield _row("Update, ms", rank.update_time_ms, tamiyo.update_time_ms if several else "", 1)
    yield _row("Rollout, ms", rank.median_rollout_ms, "", 1)


def _row(label: str, own: float | None, run: float | str | None, precision: int) -> Row:
    """A number of the rank and that of the run, if it is not left blank."""
    of_run = run if isinstance(run, str) else number(run, precision, VALUE_WIDTH - 1)
    return (
        left(label, LABEL_WIDTH, Tone.LABEL),
        right(number(own, precision, VALUE_WIDTH - 1), VALUE_WIDTH, Tone.VALUE),
        right(of_run, VALUE_WIDTH, Tone.DIM),
    )
