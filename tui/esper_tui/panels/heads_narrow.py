"""ACTION HEADS for narrow windows and many heads: one row per head, with the most important numbers first."""

from math import ceil

from esper_schemas.judgement import Health
from esper_schemas.policy_heads import head_quantity, heads_of
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.metrics.alarms import BEYOND, worst
from esper_tui.metrics.bounds_text import head_metric
from esper_tui.metrics.metric_value import value_of
from esper_tui.panels import head_columns
from esper_tui.text.choice_names import head_label
from esper_tui.text.numbers import count
from esper_tui.text.spans import Row, Span, Tone, aligned, crop, fit, left, right

NAME, CONDITION, COLUMN = 10, 2, 8
SHORTEST_NAME = 4
BAR = 7
"""Width of the bar, including the blanks around it."""
BLOCK = NAME + CONDITION + 3 * COLUMN + 2
"""Width of a row with all its numbers, and of the gap to the next block."""
SPACE = head_columns.Space(digits=5)
FAMILIES = ("entropy", "ratio_max", "grad_norm")


def narrow_rows(snapshot: SanctumSnapshot, width: int, height: int) -> list[Row]:
    """One row per head, below titles if there is a row for them.

    If there are more heads than rows, they are placed in blocks beside each other. Heads within their
    bands are left out first if there is still no room, and counted in the last row.
    """
    heads = [spec.name for spec in heads_of(snapshot.tamiyo)]
    if height >= len(heads):
        rows = [_row(snapshot, head, width) for head in heads]
        return [_titles(width), *rows] if height > len(rows) else rows
    below = max(height - 1, 1)
    blocks = min(max(width // BLOCK, 1), ceil(len(heads) / below))
    if blocks == 1:
        kept = _kept(snapshot, heads, below)
        return [*[_row(snapshot, head, width) for head in kept], _more(len(heads) - len(kept))]
    return _blocks(snapshot, heads, width // blocks, blocks, below)


def _blocks(snapshot: SanctumSnapshot, heads: list[str], width: int, blocks: int, below: int) -> list[Row]:
    """Blocks of rows beside each other, filled from top to bottom, each below its titles."""
    kept = heads if len(heads) <= blocks * below else _kept(snapshot, heads, blocks * below - 1)
    rows = [fit(_row(snapshot, head, width - 2), width) for head in kept]
    if len(kept) < len(heads):
        rows.append(_more(len(heads) - len(kept)))
    lines = ceil(len(rows) / blocks)
    titles = fit(_titles(width - 2), width)
    beside = [rows[line::lines] for line in range(lines)]
    return [titles * ceil(len(rows) / lines), *[tuple(s for row in line for s in row) for line in beside]]


def _kept(snapshot: SanctumSnapshot, heads: list[str], room: int) -> list[str]:
    """The first heads; those that findings are about, or beyond their bands, replace the last others."""
    worst_first = sorted(heads, key=lambda head: -_severity(snapshot, head))
    kept = set(worst_first[:room])
    return [head for head in heads if head in kept]


def _severity(snapshot: SanctumSnapshot, head: str) -> int:
    """The severity of the findings about a head; below it, how far its values are beyond their bands."""
    names = (head_quantity(snapshot.tamiyo, head, family) for family in FAMILIES)
    values = [value_of(snapshot, name) for name in names]
    alarm = _SEVERITY.index(worst(*(value.alarm for value in values)))
    beyond = max(_SEVERITY.index(value.health) if value.health in BEYOND else 0 for value in values)
    return len(_SEVERITY) * alarm + beyond


_SEVERITY = (Health.OK, *BEYOND)


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


def _row(snapshot: SanctumSnapshot, head: str, width: int) -> Row:
    name_width = _name_width(width)
    name = left(crop(head_label(head), name_width - 1), name_width, Tone.LABEL)
    if not snapshot.tamiyo.ppo_data_received:
        return (name, Span("waiting", Tone.DIM))
    numbers = (
        head_columns.measured(snapshot, head, "entropy", SPACE),
        head_columns.ratio_max(snapshot, head, SPACE),
        head_columns.gradient(snapshot, head, SPACE),
    )
    bar = (Span(" "), *head_columns.entropy_bar(snapshot, head, SPACE))
    kept = numbers[: _columns(width)]
    return (
        name,
        *head_columns.condition(snapshot, head, SPACE),
        *(span for column in kept for span in aligned(column, COLUMN)),
        *(bar if width >= name_width + CONDITION + len(kept) * COLUMN + BAR else ()),
    )
