"""ACTION HEADS for narrow windows: one row per head, most important numbers first."""

from esper_schemas.heads import HEADS
from esper_schemas.state import TamiyoState
from esper_tui import heads_cells as cells
from esper_tui.rows import Row, Span, Tone, aligned, left, right
from esper_tui.words import head_label, head_metric

NAME, CELL = 10, 8
SPACE = cells.Space(digits=5)


def narrow_rows(state: TamiyoState, height: int) -> list[Row]:
    """One row per head, under titles where there is a row for them."""
    rows = [_row(state, head) for head in HEADS]
    return [_titles(), *rows] if height > len(rows) else rows


def _titles() -> Row:
    families = ("entropy", "ratio_max", "grad_norm")
    labels = (right(f"{head_metric(family).label} ", CELL, Tone.LABEL) for family in families)
    return (Span(" " * (NAME + 2)), *labels)


def _row(state: TamiyoState, head: str) -> Row:
    name = left(head_label(head), NAME, Tone.LABEL)
    if not state.ppo_data_received:
        return (name, Span("waiting", Tone.DIM))
    numbers = (
        cells.measured(state, head, "entropy", SPACE),
        cells.ratio_max(state, head, SPACE),
        cells.gradient(state, head, SPACE),
    )
    return (
        name,
        *cells.condition(state, head, SPACE),
        *(span for cell in numbers for span in aligned(cell, CELL)),
        Span(" "),
        *cells.entropy_bar(state, head, SPACE),
    )
