"""ACTION HEADS for narrow windows and many heads: one row per head, with the most important numbers first."""

from math import ceil

from esper_schemas.judgement import Health, head_condition, judge_field
from esper_schemas.policy_heads import head_quantity, heads_of
from esper_schemas.state import TamiyoState
from esper_tui.metrics.bounds_text import head_metric
from esper_tui.panels import head_columns
from esper_tui.text.choice_names import head_label
from esper_tui.text.numbers import count
from esper_tui.text.spans import Row, Span, Tone, aligned, crop, fit, left, right
from esper_tui.text.theme import CONDITIONS

NAME, CONDITION, COLUMN = 10, 2, 8
SHORTEST_NAME = 4
BAR = 7
"""Width of the bar, including the blanks around it."""
BLOCK = NAME + CONDITION + 3 * COLUMN + 2
"""Width of a row with all its numbers, and of the gap to the next block."""
SPACE = head_columns.Space(digits=5)
FAMILIES = ("entropy", "ratio_max", "grad_norm")


def narrow_rows(state: TamiyoState, width: int, height: int) -> list[Row]:
    """One row per head, below titles if there is a row for them.

    If there are more heads than rows, they are placed in blocks beside each other. Heads without a problem
    are left out if there is still no room, and counted in the last row.
    """
    heads = [spec.name for spec in heads_of(state)]
    if height >= len(heads):
        rows = [_row(state, head, width) for head in heads]
        return [_titles(width), *rows] if height > len(rows) else rows
    below = max(height - 1, 1)
    blocks = min(max(width // BLOCK, 1), ceil(len(heads) / below))
    if blocks == 1:
        kept = _kept(state, heads, below)
        return [*[_row(state, head, width) for head in kept], _more(len(heads) - len(kept))]
    return _blocks(state, heads, width // blocks, blocks, below)


def _blocks(state: TamiyoState, heads: list[str], width: int, blocks: int, below: int) -> list[Row]:
    """Blocks of rows beside each other, filled from top to bottom, each below its titles."""
    kept = heads if len(heads) <= blocks * below else _kept(state, heads, blocks * below - 1)
    rows = [fit(_row(state, head, width - 2), width) for head in kept]
    if len(kept) < len(heads):
        rows.append(_more(len(heads) - len(kept)))
    lines = ceil(len(rows) / blocks)
    titles = fit(_titles(width - 2), width)
    beside = [rows[line::lines] for line in range(lines)]
    return [titles * ceil(len(rows) / lines), *[tuple(s for row in line for s in row) for line in beside]]


def _kept(state: TamiyoState, heads: list[str], room: int) -> list[str]:
    """The first heads; those with a problem replace the last ones without."""
    worst_first = sorted(heads, key=lambda head: -_severity(state, head))
    kept = set(worst_first[:room])
    return [head for head in heads if head in kept]


def _severity(state: TamiyoState, head: str) -> int:
    found = [judge_field(state, head_quantity(state, head, family)) for family in FAMILIES]
    return max(_WORST.get(health, 0) for health in (*found, CONDITIONS[head_condition(state, head)][1]))


_WORST = {Health.WARNING: 1, Health.CRITICAL: 2, Health.NOT_FINITE: 3}


def _more(number: int) -> Row:
    return (Span(f"+{count(number)} more", Tone.DIM),)


def _name_width(width: int) -> int:
    """A name is shortened before the first number is left out."""
    return min(NAME, max(width - CONDITION - COLUMN, SHORTEST_NAME))


def _columns(width: int) -> int:
    """The number of columns that fit; no number is cut."""
    return max((width - _name_width(width) - CONDITION) // COLUMN, 0)


def _titles(width: int) -> Row:
    families = FAMILIES[: _columns(width)]
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
