"""Which panel stands where, for every size of window. Pure: the app and `--once` share it."""

from dataclasses import dataclass, replace
from functools import lru_cache

from esper_tui.grid.border import BOX_ROWS, RULE_ROWS
from esper_tui.grid.grid_plans import NEEDS, Column, GridPlan, GridRow, plan_for

OPENED = "opened"
"""The place of the one panel that fills the screen."""

TALL_FROM = 16
FOOTER_FROM = 8


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel stands, in cells and rows, and whether it has a box."""

    panel: str
    x: int
    y: int
    width: int
    height: int
    boxed: bool = False


@lru_cache(maxsize=32)  # Asked on every tick; the answer changes with the window.
def arrange(
    width: int, height: int, hidden: frozenset[str] = frozenset(), opened: bool = False
) -> tuple[Place, ...]:
    """Place header, footer and, between them, the opened panel or as many of those that are not
    hidden as have room.
    """
    top = 2 if height >= TALL_FROM else min(height, 1)
    bottom = 1 if height >= FOOTER_FROM else 0
    bars = [Place("header", 0, 0, width, top)]
    if bottom:
        bars.append(Place("footer", 0, height - 1, width, 1))
    rows = height - top - bottom
    plan = _plan(width, rows, hidden)
    if opened:
        whole = [Place(OPENED, 0, top, width, rows, plan.boxed)] if rows else []
        return (*bars, *whole)
    return (*bars, *_panels(plan, hidden, width, top, rows))


def natural_height(width: int) -> int:
    """The rows of a frame that is printed rather than shown: every panel with what matters."""
    plan = plan_for(width)
    return 3 + sum(_needed(band, "enough", _chrome(plan)) for band in plan.bands)


def _plan(width: int, rows: int, hidden: frozenset[str]) -> GridPlan:
    """The plan for a size: where the first band of boxes does not fit, the panels stand below each other
    without boxes, the most important first.
    """
    plan = plan_for(width)
    first = next(iter(_bands(plan, hidden)), None)
    fits = first is None or _needed(first, "least", _chrome(plan)) <= rows
    return plan_for(width, boxed=fits)


def _bands(plan: GridPlan, hidden: frozenset[str]) -> list[GridRow]:
    """The bands of a plan without what is hidden."""
    return [band for band in (_shown(band, hidden) for band in plan.bands) if band.columns]


def _panels(plan: GridPlan, hidden: frozenset[str], width: int, y: int, rows: int) -> list[Place]:
    places: list[Place] = []
    for band, height in _heights(_bands(plan, hidden), rows, _chrome(plan)):
        places.extend(_placed(band, width, y, height, plan.boxed))
        y += height
    return places


def _shown(band: GridRow, hidden: frozenset[str]) -> GridRow:
    """What is left of a band without the panels that are hidden."""
    columns = (replace(c, panels=tuple(p for p in c.panels if p not in hidden)) for c in band.columns)
    return GridRow(tuple(column for column in columns if column.panels))


def _chrome(plan: GridPlan) -> int:
    return BOX_ROWS if plan.boxed else RULE_ROWS


def _heights(bands: list[GridRow], rows: int, chrome: int) -> list[tuple[GridRow, int]]:
    """Divide rows among bands. Each in turn gets enough, or what there is if that is not too little;
    what is left makes them roomy, and then goes to the lists, or to the last band.
    """
    heights: dict[int, int] = {}
    for number, band in enumerate(bands):
        height = min(_needed(band, "enough", chrome), rows)
        if height >= _needed(band, "least", chrome):
            heights[number] = height
            rows -= height
    for number in heights:
        more = min(max(_needed(bands[number], "roomy", chrome) - heights[number], 0), rows)
        heights[number] += more
        rows -= more
    if heights:
        heights[_stretched(bands, heights)] += rows
    return [(bands[number], height) for number, height in heights.items()]


def _stretched(bands: list[GridRow], heights: dict[int, int]) -> int:
    """The lowest band that holds a list on its own, or the last one."""
    lists = [n for n in heights if any(_is_list(column) for column in bands[n].columns)]
    return max(lists or heights)


def _is_list(column: Column) -> bool:
    return len(column.panels) == 1 and NEEDS[column.panels[0]].endless


def _needed(band: GridRow, level: str, chrome: int) -> int:
    """Rows that the tallest column of a band needs, frames included."""
    return max(_column_rows(column, level, chrome) for column in band.columns)


def _column_rows(column: Column, level: str, chrome: int) -> int:
    return sum(getattr(NEEDS[panel], level) + chrome for panel in column.panels)


def _placed(band: GridRow, width: int, y: int, height: int, boxed: bool) -> list[Place]:
    total, before, places = sum(c.weight for c in band.columns), 0, []
    for column in band.columns:
        left, right = width * before // total, width * (before + column.weight) // total
        before += column.weight
        places.extend(_stacked(column, left, y, right - left, height, boxed))
    return places


def _air(panel: str) -> int:
    return NEEDS[panel].roomy - NEEDS[panel].enough


def _stacked(column: Column, x: int, y: int, width: int, height: int, boxed: bool) -> list[Place]:
    """The panels of one column; what is left over makes the last one roomy, then those above it."""
    chrome, places, end = BOX_ROWS if boxed else RULE_ROWS, [], y + height
    spare = height - _column_rows(column, "enough", chrome) - _air(column.panels[-1])
    for panel in column.panels[:-1]:
        more = min(max(spare, 0), _air(panel))
        spare -= more
        rows = min(NEEDS[panel].enough + more + chrome, end - y)
        places.append(Place(panel, x, y, width, rows, boxed))
        y += rows
    if end - y > chrome or not places:
        places.append(Place(column.panels[-1], x, y, width, end - y, boxed))
    elif places:
        last = places[-1]
        places[-1] = replace(last, height=end - last.y)
    return [place for place in places if place.width > 0 and place.height > 0]
