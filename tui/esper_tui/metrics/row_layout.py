"""The widths of a metric row's columns in narrow windows: arrow and label shrink before the number does."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

ARROW_WIDTH, MARK_WIDTH = 3, 1
SHRINKING = (
    ("arrow", 1),
    ("label", 8),
    ("value", 7),
    ("label", 4),
    ("value", 6),
    ("label", 0),
    ("value", 1),
)
"""The columns that shrink, in turn, and the width that each keeps; of the arrow a blank is kept."""


@dataclass(frozen=True, slots=True)
class RowLayout:
    """Widths, in terminal cells, of label, value and arrow, including the blanks around the latter two."""

    label: int
    value: int
    arrow: int = ARROW_WIDTH


@cache  # windows have few widths; called for every row of every frame
def row_layout(width: int, label: int, value: int) -> RowLayout:
    """Lay out a label and a value of at most these widths, an arrow and a mark in `width` cells."""
    wanted = {"label": label, "value": value, "arrow": ARROW_WIDTH}
    return RowLayout(**shrink_columns(wanted, SHRINKING, width - MARK_WIDTH))


def shrink_columns(wanted: dict[str, int], steps: Sequence[tuple[str, int]], width: int) -> dict[str, int]:
    """Shrink columns in turn, each to no less than its step allows, until their sum is at most `width`."""
    widths = dict(wanted)
    for column, least in steps:
        missing = max(sum(widths.values()) - width, 0)
        widths[column] = max(widths[column] - missing, min(least, widths[column]))
    return widths
