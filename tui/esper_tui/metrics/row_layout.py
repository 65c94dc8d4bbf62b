"""How a metric's row is divided where it is narrow: arrow and label go before the number and its mark."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

ARROW_WIDTH, MARK_WIDTH = 3, 1
STEPS = (
    ("arrow", 1),
    ("label", 8),
    ("value", 7),
    ("label", 4),
    ("value", 6),
    ("label", 0),
    ("value", 1),
)
"""What gives up cells, one after the other, and how many it keeps; of the arrow a blank is kept."""


@dataclass(frozen=True, slots=True)
class Division:
    """Cells of the label, the value with the blank before it, and the arrow with those around it."""

    label: int
    value: int
    arrow: int = ARROW_WIDTH

    def arrow_text(self, arrow: str) -> str:
        """What stands between value and mark."""
        return f" {arrow} "[: self.arrow]


@cache  # windows have few widths, and every row of every picture asks
def divided(width: int, label: int, value: int) -> Division:
    """Divide `width` cells among a label and a value of the given widths, an arrow and a mark."""
    wanted = {"label": label, "value": value, "arrow": ARROW_WIDTH}
    return Division(**shrunk(wanted, STEPS, width - MARK_WIDTH))


def shrunk(wanted: dict[str, int], steps: Sequence[tuple[str, int]], width: int) -> dict[str, int]:
    """What each part gets of `width` cells: one after the other gives up what is missing."""
    cells = dict(wanted)
    for part, least in steps:
        missing = max(sum(cells.values()) - width, 0)
        cells[part] = max(cells[part] - missing, min(least, cells[part]))
    return cells
