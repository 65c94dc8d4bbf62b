"""ACTION HEADS, opened: what is no number of a head, from the same cells as in the panel."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from esper_schemas.heads import HEADS
from esper_schemas.judgement import head_condition
from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import TamiyoState
from esper_tui.pages.help_page import CONDITION_WORDS, LATCH_WORDS
from esper_tui.pages.page import Entry
from esper_tui.panels import head_columns
from esper_tui.panels.gradient_flow import FLOW_METRICS, flow_row
from esper_tui.text.choice_names import head_label
from esper_tui.text.explanation import term_rows
from esper_tui.text.spans import Row, Rows, Span, Tone, aligned, left

LABEL_WIDTH, HEAD_WIDTH = 16, 11  # a coefficient, a number and its mark take ten cells
TABLE_WIDTH = LABEL_WIDTH + HEAD_WIDTH * len(HEADS)
SPACE = head_columns.Space(digits=7, coefficients=True)
WAITING: Row = (Span("waiting", Tone.DIM), Span(" "))
FLOW_WORDS = "Whether the gradient reaches every layer, and only in moderation."
CELL_WORDS: dict[str, tuple[str, str]] = {
    "entropy": (
        "Coefficient",
        "Before the entropy stands what the head's entropy bonus is multiplied by, where that is not 1.",
    ),
    "grad_norm": ("Arrow", "Where the norm has gone since the last update; it says nothing about health."),
}
"""Of families whose cells say more than the number: what else, and how it is called."""


def number_cell(state: TamiyoState, head: str, family: str) -> Row:
    """One number of one head, with its coefficient or its arrow, where it has one."""
    if not state.ppo_data_received:
        return WAITING
    if family == "entropy":
        return head_columns.entropy(state, head, SPACE)
    if family == "grad_norm":
        return head_columns.gradient(state, head, SPACE)
    return head_columns.measured(state, head, family, SPACE)


def cell_words(family: str, width: int) -> Iterator[Row]:
    """What stands in a cell of this family besides its number."""
    if family in CELL_WORDS:
        yield from term_rows(*CELL_WORDS[family], width)


@dataclass(frozen=True, slots=True)
class Line:
    """Something that is said of each head: its label, its cell, what it is, and in words of one head."""

    label: str
    cell: Callable[[TamiyoState, str, head_columns.Space], Row]
    what: str
    words: Callable[[TamiyoState, str], str]


def _state_words(state: TamiyoState, head: str) -> str:
    condition = head_condition(state, head)
    return f"{condition.value}: {CONDITION_WORDS[condition]}"


def _latch_words(state: TamiyoState, head: str) -> str:
    nan, infinite = state.head_nan_latch.get(head), state.head_inf_latch.get(head)
    return " and ".join(word for word, was in (("NaN", nan), ("infinite", infinite)) if was) or "never"


LINES = (
    Line("State", head_columns.condition, "What entropy and gradient of a head say together.", _state_words),
    Line("Latch", head_columns.latch, LATCH_WORDS, _latch_words),
)


def state_entries(snapshot: SanctumSnapshot, width: int) -> list[Entry]:
    """State and latch of every head, in a table where there is room for one; then the gradient's flow."""
    state = snapshot.tamiyo
    per_line = _of_all if width >= TABLE_WIDTH else _of_each
    return [*(entry for line in LINES for entry in per_line(state, line)), _flow(state, width)]


def _of_all(state: TamiyoState, line: Line) -> Iterator[Entry]:
    row = [span for head in HEADS for span in aligned(_drawn(state, head, line), HEAD_WIDTH)]
    yield Entry((left(line.label, LABEL_WIDTH, Tone.LABEL), *row), partial(_about, state, line, HEADS))


def _of_each(state: TamiyoState, line: Line) -> Iterator[Entry]:
    for head in HEADS:
        title = left(f"{line.label} {head_label(head)}", 26, Tone.LABEL)
        yield Entry((title, *aligned(_drawn(state, head, line), 12)), partial(_about, state, line, (head,)))


def _about(state: TamiyoState, line: Line, heads: Sequence[str], width: int) -> Rows:
    each = (row for head in heads for row in term_rows(head_label(head), line.words(state, head), width))
    return (*term_rows("Is", line.what, width), *each)


def _drawn(state: TamiyoState, head: str, line: Line) -> Row:
    return line.cell(state, head, SPACE) if state.ppo_data_received else WAITING


def _flow(state: TamiyoState, width: int) -> Entry:
    shown = flow_row(state, width - LABEL_WIDTH) if state.ppo_data_received else WAITING

    def about(width: int) -> Rows:
        metrics = [QUANTITIES[name].metric for name in FLOW_METRICS]
        each = (row for metric in metrics for row in term_rows(metric.label, metric.meaning, width))
        return (*term_rows("Asks", FLOW_WORDS, width), *each)

    return Entry((left("Flow", LABEL_WIDTH, Tone.LABEL), *shown), about)
