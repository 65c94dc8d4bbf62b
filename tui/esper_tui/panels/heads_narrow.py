"""ACTION HEADS for narrow windows: one row per head, most important numbers first."""

from esper_schemas.heads import HEADS
from esper_schemas.state import TamiyoState
from esper_tui.metrics.bounds_text import head_metric
from esper_tui.panels import head_columns
from esper_tui.text.choice_names import head_label
from esper_tui.text.spans import Row, Span, Tone, aligned, crop, left, right

NAME, CONDITION, CELL = 10, 2, 8
SHORTEST_NAME = 4
BAR = 7
"""With the blanks around it."""
SPACE = head_columns.Space(digits=5)


def narrow_rows(state: TamiyoState, width: int, height: int) -> list[Row]:
    """One row per head, under titles where there is a row for them."""
    rows = [_row(state, head, width) for head in HEADS]
    return [_titles(width), *rows] if height > len(rows) else rows


def _name_width(width: int) -> int:
    """A name is shortened before the first number is left out."""
    return min(NAME, max(width - CONDITION - CELL, SHORTEST_NAME))


def _cells(width: int) -> int:
    """How many numbers have room; none of them is cut."""
    return max((width - _name_width(width) - CONDITION) // CELL, 0)


def _titles(width: int) -> Row:
    families = ("entropy", "ratio_max", "grad_norm")[: _cells(width)]
    labels = (right(f"{head_metric(family).label} ", CELL, Tone.LABEL) for family in families)
    return (Span(" " * (_name_width(width) + CONDITION)), *labels)


def _row(state: TamiyoState, head: str, width: int) -> Row:
    named = _name_width(width)
    name = left(crop(head_label(head), named - 1), named, Tone.LABEL)
    if not state.ppo_data_received:
        return (name, Span("waiting", Tone.DIM))
    numbers = (
        head_columns.measured(state, head, "entropy", SPACE),
        head_columns.ratio_max(state, head, SPACE),
        head_columns.gradient(state, head, SPACE),
    )
    bar = (Span(" "), *head_columns.entropy_bar(state, head, SPACE))
    kept = numbers[: _cells(width)]
    return (
        name,
        *head_columns.condition(state, head, SPACE),
        *(span for cell in kept for span in aligned(cell, CELL)),
        *(bar if width >= named + CONDITION + len(kept) * CELL + BAR else ()),
    )
