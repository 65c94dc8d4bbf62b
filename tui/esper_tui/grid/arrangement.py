"""Place, size and box of every panel for any size of window. Pure; shared by the app and `--once`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate

from esper_tui.grid.border import BOX_ROWS, RULE_ROWS
from esper_tui.grid.grid_plans import (
    DEFAULT_LIMITS,
    NEEDS,
    GridPlan,
    RowLimits,
    RowNeeds,
    Stack,
    Tier,
    plan_for,
)

OPENED = "opened"
"""The place of the one panel that fills the screen."""

TWO_HEADER_ROWS_FROM = 16
FOOTER_FROM = 8


@dataclass(frozen=True, slots=True)
class Place:
    """The position and size of a panel, in cells and rows, and whether it has a box."""

    panel: str
    x: int
    y: int
    width: int
    height: int
    boxed: bool = False


@lru_cache(maxsize=32)  # Called on every tick; the result changes only with the arguments, which rarely do.
def arrange(
    width: int,
    height: int,
    hidden: frozenset[str] = frozenset(),
    opened: bool = False,
    limits: RowLimits = DEFAULT_LIMITS,
) -> tuple[Place, ...]:
    """Place the header, the footer and, between them, the opened panel or as many panels as fit, without
    the hidden ones. A panel that can fill only a few rows, by `limits`, is given no more than it needs.
    """
    top = 2 if height >= TWO_HEADER_ROWS_FROM else min(height, 1)
    bottom = 1 if height >= FOOTER_FROM else 0
    bars = [Place("header", 0, 0, width, top)]
    if bottom:
        bars.append(Place("footer", 0, height - 1, width, 1))
    rows = height - top - bottom
    needs = _needs(limits)
    plan = _plan(width, rows, hidden, needs)
    if opened:
        whole = [Place(OPENED, 0, top, width, rows, plan.boxed)] if rows else []
        return (*bars, *whole)
    return (*bars, *_panels(plan, hidden, width, top, rows, needs))


def natural_height(
    width: int, hidden: frozenset[str] = frozenset(), limits: RowLimits = DEFAULT_LIMITS
) -> int:
    """The rows of a printed frame, in which every panel that is not hidden shows all that matters."""
    plan, needs = plan_for(width), _needs(limits)
    tiers = _tiers(plan, hidden)
    return 3 + sum(_needed(tier, "sufficient", _border_rows(plan), needs) for tier in tiers)


Needs = Mapping[str, RowNeeds]


def _needs(limits: RowLimits) -> Needs:
    rows = dict(limits)
    return {panel: needs.limited(rows.get(panel)) for panel, needs in NEEDS.items()}


def _plan(width: int, rows: int, hidden: frozenset[str], needs: Needs) -> GridPlan:
    """The plan for a size. If not even the first tier of boxes fits, the plan without boxes, which stacks the
    panels by importance.
    """
    plan = plan_for(width)
    first = next(iter(_tiers(plan, hidden)), None)
    fits = first is None or _needed(first, "minimum", _border_rows(plan), needs) <= rows
    return plan_for(width, boxed=fits)


def _tiers(plan: GridPlan, hidden: frozenset[str]) -> list[Tier]:
    """The tiers of a plan without the hidden panels."""
    return [tier for tier in (_without(tier, hidden) for tier in plan.tiers) if tier.stacks]


def _without(tier: Tier, hidden: frozenset[str]) -> Tier:
    stacks = (replace(s, panels=tuple(p for p in s.panels if p not in hidden)) for s in tier.stacks)
    return Tier(tuple(stack for stack in stacks if stack.panels))


def _border_rows(plan: GridPlan) -> int:
    return BOX_ROWS if plan.boxed else RULE_ROWS


def _panels(
    plan: GridPlan, hidden: frozenset[str], width: int, y: int, rows: int, needs: Needs
) -> list[Place]:
    places: list[Place] = []
    for tier, height in _heights(_tiers(plan, hidden), rows, _border_rows(plan), needs):
        places.extend(_placed(tier, width, y, height, plan.boxed, needs))
        y += height
    return places


def _heights(tiers: list[Tier], rows: int, border: int, needs: Needs) -> list[tuple[Tier, int]]:
    """Divide rows among tiers. In turn, each gets what is sufficient, or the rest if that is at least its
    minimum; what is left makes them comfortable, and then goes to a tier that uses free rows if it is enough
    for it, to a list or to the last tier.
    """
    heights: dict[int, int] = {}
    for number, tier in enumerate(tiers):
        if _uses_free_rows(tier, needs):
            continue
        height = min(_needed(tier, "sufficient", border, needs), rows)
        if height >= _needed(tier, "minimum", border, needs):
            heights[number] = height
            rows -= height
    for number in heights:
        more = min(max(_needed(tiers[number], "comfortable", border, needs) - heights[number], 0), rows)
        heights[number] += more
        rows -= more
    for number, tier in enumerate(tiers):
        if _uses_free_rows(tier, needs) and heights and rows >= _needed(tier, "minimum", border, needs):
            return [*((tiers[n], height) for n, height in heights.items()), (tiers[number], rows)]
    if heights:
        heights[_stretched(tiers, heights)] += rows
    return [(tiers[number], height) for number, height in heights.items()]


def _uses_free_rows(tier: Tier, needs: Needs) -> bool:
    return all(needs[panel].uses_free_rows for stack in tier.stacks for panel in stack.panels)


def _stretched(tiers: list[Tier], heights: dict[int, int]) -> int:
    """The lowest tier with a list that is alone in its stack, or else the last tier."""
    lists = [n for n in heights if any(_is_list(stack) for stack in tiers[n].stacks)]
    return max(lists or heights)


def _is_list(stack: Stack) -> bool:
    return len(stack.panels) == 1 and NEEDS[stack.panels[0]].is_list


def _needed(tier: Tier, level: str, border: int, needs: Needs) -> int:
    """Rows that the tallest stack of a tier needs, borders included."""
    return max(_stack_rows(stack, level, border, needs) for stack in tier.stacks)


def _stack_rows(stack: Stack, level: str, border: int, needs: Needs) -> int:
    return sum(getattr(needs[panel], level) + border for panel in stack.panels)


def _placed(tier: Tier, width: int, y: int, height: int, boxed: bool, needs: Needs) -> list[Place]:
    """Divide the width by weight; no cell between two stacks is lost to rounding."""
    ends = list(accumulate(stack.weight for stack in tier.stacks))
    edges = [0, *(width * end // ends[-1] for end in ends)]
    places: list[Place] = []
    for number, stack in enumerate(tier.stacks):
        left, right = edges[number : number + 2]
        places.extend(_stacked(stack, left, y, right - left, height, boxed, needs))
    return places


def _spare_rows(needs: RowNeeds) -> int:
    return needs.comfortable - needs.sufficient


def _stacked(stack: Stack, x: int, y: int, width: int, height: int, boxed: bool, needs: Needs) -> list[Place]:
    """Place the panels of one stack; spare rows go to the last one first, then to those above it."""
    border, places, end = BOX_ROWS if boxed else RULE_ROWS, [], y + height
    spare = height - _stack_rows(stack, "sufficient", border, needs)
    spare -= _spare_rows(needs[stack.panels[-1]])
    for panel in stack.panels[:-1]:
        more = min(max(spare, 0), _spare_rows(needs[panel]))
        spare -= more
        rows = min(needs[panel].sufficient + more + border, end - y)
        places.append(Place(panel, x, y, width, rows, boxed))
        y += rows
    if end - y > border or not places:
        places.append(Place(stack.panels[-1], x, y, width, end - y, boxed))
    elif places:
        last = places[-1]
        places[-1] = replace(last, height=end - last.y)
    return [place for place in places if place.width > 0 and place.height > 0]
