"""Opened panels of metrics: each with bounds, direction and recent history, and its help below."""

from collections.abc import Sequence

from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import HEAD_FAMILIES, QUANTITIES, head_field
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import HISTORY_LENGTH
from esper_tui.charts.sparkline import sparkline
from esper_tui.metrics.metric_help import about_metric, history_rows, metric_help
from esper_tui.metrics.metric_row import GAP, Column, Part, metric_row
from esper_tui.metrics.metric_value import history_of, value_in_snapshot
from esper_tui.pages.heads_page import (
    HEAD_WIDTH,
    LABEL_WIDTH,
    TABLE_WIDTH,
    cell_words,
    number_cell,
    state_entries,
)
from esper_tui.pages.page import Entry, Page
from esper_tui.panels.decisions import decision_lines
from esper_tui.panels.metric_panels import METRIC_PANELS
from esper_tui.text.choice_names import head_label
from esper_tui.text.explanation import term_rows
from esper_tui.text.numbers import count, number
from esper_tui.text.spans import Row, Rows, Span, Tone, aligned, left, right
from esper_tui.view.view import View

COLUMNS = (
    Column(Part.LABEL, LABEL_WIDTH),
    Column(Part.VALUE, 11),
    Column(Part.ARROW, 3),
    Column(Part.MARK, 1),
    GAP,
    Column(Part.HISTORY, HISTORY_LENGTH),
    GAP,
    Column(Part.OK, 14),
    Column(Part.CRITICAL, 28),
    Column(Part.UNIT, 13),
    Column(Part.ID, 8),
)


def metric_entry(snapshot: SanctumSnapshot, name: str) -> Entry:
    """A metric's row and its help."""
    row = metric_row(value_in_snapshot(snapshot, name), COLUMNS)
    return Entry(row, lambda width: about_metric(snapshot, name, width))


def metrics_page(names: Sequence[str]) -> Page:
    """The metrics of a group."""
    return Page(lambda view, width: [metric_entry(view.snapshot, name) for name in names])


def value_entries(view: View, width: int) -> list[Entry]:
    """The metrics of the group, then how the mean return went."""
    metrics = [metric_entry(view.snapshot, name) for name in METRIC_PANELS["value"].metrics]
    return [*metrics, _returns(view.snapshot)]


def _returns(snapshot: SanctumSnapshot) -> Entry:
    run, episodes = snapshot.run, snapshot.episodes
    row = (
        left("Mean return", 16, Tone.LABEL),
        right(number(run.mean_return, 3, 10), 11, Tone.VALUE),
        Span(f"      WAIT {number(run.baseline_return, 3, 9)}", Tone.DIM),
        Span(f"   {count(episodes.completed)} episodes", Tone.DIM),
    )

    def about(width: int) -> Rows:
        words = "Mean undiscounted return of a rollout's episodes; WAIT is that of a policy that never acts."
        history = history_rows(run.mean_return_history, 3, width) if run.mean_return_history else ()
        return (*term_rows("Is", words, width), *term_rows("Healthy", "rising, above WAIT", width), *history)

    return Entry(row, about)


def heads_page() -> Page:
    """One row per family with a column per head; where that is too wide, one row per head and family."""
    return Page(_heads_entries, _heads_titles)


def _heads_entries(view: View, width: int) -> list[Entry]:
    """How each head is, its numbers, and below them the decisions that are known, newest last."""
    snapshot = view.snapshot
    if width < TABLE_WIDTH:
        numbers = [_head_entry(snapshot, head, family) for family in HEAD_FAMILIES for head in HEADS]
    else:
        numbers = [_family_entry(snapshot, family) for family in HEAD_FAMILIES]
    decisions = decision_lines(snapshot)
    return [*state_entries(snapshot, width), *numbers, *map(Entry, ((), *decisions) if decisions else ())]


def _heads_titles(width: int) -> Rows:
    if width < TABLE_WIDTH:
        return ()
    names = (right(f"{head_label(head)} ", HEAD_WIDTH, Tone.LABEL) for head in HEADS)
    return ((Span(" " * LABEL_WIDTH), *names),)


def _family_entry(snapshot: SanctumSnapshot, family: str) -> Entry:
    """A family of every head; below it what it is about, and the history of each."""
    first = head_field(HEADS[0], family)
    cells = [s for head in HEADS for s in aligned(number_cell(snapshot.tamiyo, head, family), HEAD_WIDTH)]
    row = (left(QUANTITIES[first].metric.label, LABEL_WIDTH, Tone.LABEL), *cells)
    histories = tuple(_head_history(snapshot, head, family) for head in HEADS)
    return Entry(row, lambda width: (*metric_help(first, width), *cell_words(family, width), (), *histories))


def quantity_entry(snapshot: SanctumSnapshot, name: str) -> Entry:
    """A metric's row and its help, whether it is about a head or not."""
    head = QUANTITIES[name].head
    if head is None:
        return metric_entry(snapshot, name)
    return _head_entry(snapshot, head, name.removeprefix(head_field(head, "")))


def _head_entry(snapshot: SanctumSnapshot, head: str, family: str) -> Entry:
    name = head_field(head, family)
    title = left(f"{QUANTITIES[name].metric.label} {head_label(head)}", 26, Tone.LABEL)
    cell = aligned(number_cell(snapshot.tamiyo, head, family), 12)
    return Entry(
        (title, *cell), lambda width: (*cell_words(family, width), *about_metric(snapshot, name, width))
    )


def _head_history(snapshot: SanctumSnapshot, head: str, family: str) -> Row:
    history = history_of(snapshot, head_field(head, family))
    return (
        left(head_label(head), 12, Tone.LABEL),
        *sparkline(history, HISTORY_LENGTH, Tone.VALUE),
        *aligned(number_cell(snapshot.tamiyo, head, family), HEAD_WIDTH),
    )
