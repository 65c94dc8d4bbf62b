"""ACTION HEADS, opened: the state of every head, all its numbers, and the recent decisions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from esper_schemas.judgement import head_condition
from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.policy_heads import families_of, head_quantity, heads_of
from esper_schemas.run_metrics import metric_field
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import HISTORY_LENGTH, TamiyoState
from esper_tui.charts.sparkline import sparkline
from esper_tui.metrics.beyond_bands import standing
from esper_tui.metrics.metric_help import about_metric, metric_help
from esper_tui.metrics.metric_value import history_of
from esper_tui.pages.help_page import CONDITION_WORDS, LATCH_WORDS
from esper_tui.pages.metric_pages import LABEL_WIDTH
from esper_tui.pages.page import Entry
from esper_tui.panels import head_columns
from esper_tui.panels.decisions import decision_lines
from esper_tui.panels.gradient_flow import FLOW_METRICS, gradient_flow_row
from esper_tui.text.choice_names import head_label
from esper_tui.text.explanation import term_rows
from esper_tui.text.spans import Row, Rows, Span, Tone, aligned, crop, left, right
from esper_tui.view.view import View

HEAD_WIDTH = 11  # a coefficient, a number and its mark take ten cells
ONE_LABEL_WIDTH, ONE_HEAD_WIDTH = 26, 12
"""Widths where each head has a row of its own."""
SPACE = head_columns.Space(digits=7, coefficients=True)
WAITING: Row = (Span("waiting", Tone.DIM), Span(" "))
FLOW_QUESTION = "Does the gradient reach every layer without exploding?"
EXTRAS: dict[str, tuple[str, str]] = {
    "entropy": (
        "Coefficient",
        "The factor before the entropy multiplies the head's entropy bonus; it is omitted where it is 1.",
    ),
    "grad_norm": ("Arrow", "The direction of the norm since the last update; it says nothing about health."),
}
"""What the columns of some families show besides the number, as a term and its explanation."""


def heads_entries(view: View, width: int) -> list[Entry]:
    """State and numbers of every head, in a table if there is room for one, then the recent decisions."""
    snapshot = view.snapshot
    families, heads = families_of(snapshot.tamiyo), _names(snapshot.tamiyo)
    if _has_table(snapshot.tamiyo, width):
        numbers = [_family_entry(snapshot, family) for family in families]
    else:
        numbers = [head_entry(snapshot, head, family) for family in families for head in heads]
    decisions = decision_lines(snapshot)
    rest = map(Entry, ((), *decisions) if decisions else ())
    return [*_state_entries(snapshot, width), *numbers, *rest]


def _names(state: TamiyoState) -> tuple[str, ...]:
    return tuple(spec.name for spec in heads_of(state))


def _has_table(state: TamiyoState, width: int) -> bool:
    """Whether the heads have room beside each other."""
    return width >= LABEL_WIDTH + HEAD_WIDTH * len(heads_of(state))


def heads_titles(view: View, width: int) -> Rows:
    """The names of the heads above the table."""
    state = view.snapshot.tamiyo
    if not _has_table(state, width):
        return ()
    labels = (crop(head_label(head), HEAD_WIDTH - 2) for head in _names(state))
    names = (right(f"{label} ", HEAD_WIDTH, Tone.LABEL) for label in labels)
    return ((Span(" " * LABEL_WIDTH), *names),)


def head_entry(snapshot: SanctumSnapshot, head: str, family: str) -> Entry:
    """One number of one head, with the help of its metric."""
    name = head_quantity(snapshot.tamiyo, head, family)
    label = metric_field(snapshot.tamiyo, name).metric.label
    title = left(f"{label} {head_label(head)}", ONE_LABEL_WIDTH, Tone.LABEL)
    column = aligned(_number(snapshot, head, family), ONE_HEAD_WIDTH)
    return Entry(
        (title, *column),
        lambda width: (*_extras(family, width), *about_metric(snapshot, name, width)),
        metrics=(name,),
    )


def _family_entry(snapshot: SanctumSnapshot, family: str) -> Entry:
    """One number of every head, with the help of their metric and the history of each."""
    state = snapshot.tamiyo
    heads = _names(state)
    first = metric_field(state, head_quantity(state, heads[0], family))
    columns = (s for head in heads for s in aligned(_number(snapshot, head, family), HEAD_WIDTH))
    row = (left(first.metric.label, LABEL_WIDTH, Tone.LABEL), *columns)
    histories = tuple(_history(snapshot, head, family) for head in heads)
    return Entry(
        row,
        lambda width: (*metric_help(first, width), *_extras(family, width), (), *histories),
        metrics=tuple(head_quantity(state, head, family) for head in heads),
    )


def _number(snapshot: SanctumSnapshot, head: str, family: str) -> Row:
    """One number of one head, with its coefficient or its arrow if it has one."""
    if not snapshot.tamiyo.ppo_data_received:
        return WAITING
    if family == "entropy":
        return head_columns.entropy(snapshot, head, SPACE)
    if family == "grad_norm":
        return head_columns.gradient(snapshot, head, SPACE)
    return head_columns.measured(snapshot, head, family, SPACE)


def _extras(family: str, width: int) -> Iterator[Row]:
    if family in EXTRAS:
        yield from term_rows(*EXTRAS[family], width)


def _history(snapshot: SanctumSnapshot, head: str, family: str) -> Row:
    name = head_quantity(snapshot.tamiyo, head, family)
    history, beyond = history_of(snapshot, name), standing(snapshot, name)
    return (
        left(head_label(head), 12, Tone.LABEL),
        *sparkline(history, HISTORY_LENGTH, Tone.VALUE),
        *aligned(_number(snapshot, head, family), HEAD_WIDTH),
        Span(f"  {beyond.short}" if beyond else "", Tone.DIM),
    )


@dataclass(frozen=True, slots=True)
class StateLine:
    """A state of each head: its label, its column, its meaning, and the state of one head in words."""

    label: str
    column: Callable[[SanctumSnapshot, str, head_columns.Space], Row]
    meaning: str
    words: Callable[[TamiyoState, str], str]


def _condition_words(state: TamiyoState, head: str) -> str:
    condition = head_condition(state, head)
    return f"{condition.value}: {CONDITION_WORDS[condition]}"


def _latch_words(state: TamiyoState, head: str) -> str:
    nan, infinite = state.head_nan_latch.get(head), state.head_inf_latch.get(head)
    return " and ".join(word for word, was in (("NaN", nan), ("infinite", infinite)) if was) or "never"


STATE_LINES = (
    StateLine(
        "State",
        head_columns.condition,
        "The condition of a head, by its entropy and its gradient together.",
        _condition_words,
    ),
    StateLine("Latch", head_columns.latch, LATCH_WORDS, _latch_words),
)


def _state_entries(snapshot: SanctumSnapshot, width: int) -> list[Entry]:
    """State and latch of every head, then the gradient flow."""
    entries = _of_all_heads if _has_table(snapshot.tamiyo, width) else _of_each_head
    return [*(entry for line in STATE_LINES for entry in entries(snapshot, line)), _flow(snapshot, width)]


def _of_all_heads(snapshot: SanctumSnapshot, line: StateLine) -> Iterator[Entry]:
    heads = _names(snapshot.tamiyo)
    row = [span for head in heads for span in aligned(_state_column(snapshot, head, line), HEAD_WIDTH)]
    yield Entry(
        (left(line.label, LABEL_WIDTH, Tone.LABEL), *row),
        partial(_state_details, snapshot.tamiyo, line, heads),
    )


def _of_each_head(snapshot: SanctumSnapshot, line: StateLine) -> Iterator[Entry]:
    for head in _names(snapshot.tamiyo):
        title = left(f"{line.label} {head_label(head)}", ONE_LABEL_WIDTH, Tone.LABEL)
        column = aligned(_state_column(snapshot, head, line), ONE_HEAD_WIDTH)
        yield Entry((title, *column), partial(_state_details, snapshot.tamiyo, line, (head,)))


def _state_details(state: TamiyoState, line: StateLine, heads: Sequence[str], width: int) -> Rows:
    each = (row for head in heads for row in term_rows(head_label(head), line.words(state, head), width))
    return (*term_rows("Meaning", line.meaning, width), *each)


def _state_column(snapshot: SanctumSnapshot, head: str, line: StateLine) -> Row:
    return line.column(snapshot, head, SPACE) if snapshot.tamiyo.ppo_data_received else WAITING


def _flow(snapshot: SanctumSnapshot, width: int) -> Entry:
    received = snapshot.tamiyo.ppo_data_received
    shown = gradient_flow_row(snapshot, width - LABEL_WIDTH) if received else WAITING

    def details(width: int) -> Rows:
        metrics = [QUANTITIES[name].metric for name in FLOW_METRICS]
        each = (row for metric in metrics for row in term_rows(metric.label, metric.meaning, width))
        return (*term_rows("Question", FLOW_QUESTION, width), *each)

    return Entry((left("Flow", LABEL_WIDTH, Tone.LABEL), *shown), details)
