"""Which panel stands where, for every size of window. Pure: the app and `--once` share it."""

from dataclasses import dataclass

from esper_tui.frame import BOX_ROWS, RULE_ROWS

BOXED_FROM = 100
"""Narrower windows have rules instead of boxes."""

BESIDE_FROM = 180
"""Wider windows have the two main panels beside each other."""

HEADS_WIDTH = 120
LOSSES_WIDTHS = (60, 84)
LOSSES_ROWS, HEADS_ROWS = 7, 10
SPACIOUS_LOSSES_ROWS, SPACIOUS_HEADS_ROWS = 13, 14
SPACIOUS_EVENTS_ROWS = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel stands, in cells and rows, and whether it has a box."""

    panel: str
    x: int
    y: int
    width: int
    height: int
    boxed: bool = False


def arrange(width: int, height: int) -> tuple[Place, ...]:
    """Place the panels. Header first, then losses and heads, then footer, then events; never more
    than `height` rows, and as much of it as there is use for.
    """
    top = 2 if height >= 16 else min(height, 1)
    bottom = 1 if height >= 8 else 0
    bars = [Place("header", 0, 0, width, top)]
    if bottom:
        bars.append(Place("footer", 0, height - 1, width, 1))
    beside = width >= BESIDE_FROM
    body = _beside if beside else _stacked
    return (*bars, *body(width, top, height - top - bottom))


def natural_height(width: int, events: int) -> int:
    """The rows of a frame that is printed rather than shown: everything, without blank space."""
    chrome = BOX_ROWS if width >= BOXED_FROM else RULE_ROWS
    heads = SPACIOUS_HEADS_ROWS if events >= SPACIOUS_EVENTS_ROWS else HEADS_ROWS
    panels = SPACIOUS_HEADS_ROWS if width >= BESIDE_FROM else LOSSES_ROWS + chrome + heads
    return 3 + panels + chrome + max(events, 2) + chrome


def _stacked(width: int, y: int, rows: int) -> list[Place]:
    boxed = width >= BOXED_FROM
    chrome = BOX_ROWS if boxed else RULE_ROWS
    heights = _share(rows, chrome)
    places = []
    for panel, height in zip(("losses", "heads", "events"), heights, strict=True):
        if height:
            places.append(Place(panel, 0, y, width, height, boxed))
        y += height
    return places


def _share(rows: int, chrome: int) -> tuple[int, int, int]:
    """Divide rows among losses, heads and events; a panel without room for one row gets none."""
    losses, heads = LOSSES_ROWS + chrome, HEADS_ROWS + chrome
    if rows < 2 * (chrome + 3):
        return (max(rows, 0), 0, 0) if rows > chrome else (0, 0, 0)
    if rows < losses + heads:
        first = min(losses, rows // 2)
        return first, rows - first, 0
    spare = rows - losses - heads
    if spare < chrome + 2:
        return losses + min(spare, 1), heads + max(spare - 1, 0), 0
    roomier = SPACIOUS_HEADS_ROWS - HEADS_ROWS
    if spare >= roomier + chrome + SPACIOUS_EVENTS_ROWS:
        heads += roomier
    return losses, heads, rows - losses - heads


def _beside(width: int, y: int, rows: int) -> list[Place]:
    if rows <= BOX_ROWS:
        return []
    top = min(rows, SPACIOUS_HEADS_ROWS + BOX_ROWS)
    if rows - top < BOX_ROWS + 2:
        top = rows
    left = min(max(width - HEADS_WIDTH, LOSSES_WIDTHS[0]), LOSSES_WIDTHS[1])
    places = [
        Place("losses", 0, y, left, top, True),
        Place("heads", left, y, width - left, top, True),
    ]
    if rows > top:
        places.append(Place("events", 0, y + top, width, rows - top, True))
    return places
