"""ACTION HEADS for narrow windows: one row per head, with the most important numbers first."""

from esper_schemas.heads import HEADS
from esper_schemas.state import TamiyoState
from esper_tui.metrics.bounds_text import head_metric
from esper_tui.panels import head_columns
from esper_tui.text.choice_names import head_label
from esper_tui.text.spans import Row, Span, Tone, aligned, crop, left, right

NAME, CONDITION, COLUMN = 10, 2, 8
SHORTEST_NAME = 4
BAR = 7
"""Width of the bar, including the blanks around it."""
SPACE = head_columns.Space(digits=5)


def narrow_rows(state: TamiyoState, width: int, height: int) -> list[Row]:
    """One row per head, below titles if there is a row for them."""
    rows = [_row(state, head, width) for head in HEADS]
    return [_titles(width), *rows] if height > len(rows) else rows


def _name_width(width: int) -> int:
    """A name is shortened before the first number is left out."""
    return min(NAME, max(width - CONDITION - COLUMN, SHORTEST_NAME))


def _columns(width: int) -> int:
    """The number of columns that fit; no number is cut."""
    return max((width - _name_width(width) - CONDITION) // COLUMN, 0)


def _titles(width: int) -> Row:
    families = ("entropy", "ratio_max", "grad_norm")[: _columns(width)]
    labels = (right(f"{head_metric(family).label} ", COLUMN, Tone.LABEL) for family in families)
    return (Span(" " * (_name_width(width) + CONDITION)), *labels)


def _row(state: TamiyoState, head: str, width: int) -> Row:
    name_width = _name_width(width)
    name = left(crop(head_label(head), name_width - 1), name_width, Tone.LABEL)
    if not state.ppo_data_received:
        return (name, Span("waiting", Tone.DIM))
    numbers = (
        head_columns.measured(state, head, "entropy", SPACE),
        head_columns.ratio_max(state, head, SPACE),
        head_columns.gradient(state, head, SPACE),
    )
    bar = (Span(" "), *head_columns.entropy_bar(state, head, SPACE))
    kept = numbers[: _columns(width)]
    return (
        name,
        *head_columns.condition(state, head, SPACE),
        *(span for column in kept for span in aligned(column, COLUMN)),
        *(bar if width >= name_width + CONDITION + len(kept) * COLUMN + BAR else ()),
    )
