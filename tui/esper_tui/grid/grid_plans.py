"""The plan of the panels for each class of window width, and the rows that each panel needs."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class RowNeeds:
    """Rows of content. Below `minimum` a panel says too little to be shown; `sufficient` rows show all that
    matters; rows beyond `comfortable` stay blank, except in a list or a chart, which fills any number. A
    panel that `uses_free_rows` is shown only if all others are comfortable, and takes what they leave.
    """

    minimum: int
    sufficient: int
    comfortable: int
    is_list: bool = False
    uses_free_rows: bool = False

    def limited(self, rows: int | None) -> "RowNeeds":
        """The needs of a panel that has no more rows than this to show; None is no limit."""
        if rows is None:
            return self
        return replace(
            self,
            minimum=min(self.minimum, rows),
            sufficient=min(self.sufficient, rows),
            comfortable=min(self.comfortable, rows),
        )


RowLimits = tuple[tuple[str, int], ...]
"""The number of rows that some panels have to show, by their names; the others fill any number."""

NEEDS: dict[str, RowNeeds] = {
    "losses": RowNeeds(1, 11, 11),
    "heads": RowNeeds(4, 10, 22),
    "findings": RowNeeds(1, 4, 8, is_list=True),
    "return": RowNeeds(3, 3, 3, is_list=True),
    "scalars": RowNeeds(2, 8, 30, is_list=True),
    "health": RowNeeds(3, 8, 11),
    "value": RowNeeds(3, 8, 13),
    "gradients": RowNeeds(3, 8, 13),
    "slots": RowNeeds(3, 8, 12),
    "anomalies": RowNeeds(2, 4, 8, is_list=True),
    "vitals": RowNeeds(3, 6, 11),
    "ranks": RowNeeds(2, 3, 9),
    "link": RowNeeds(3, 6, 9),
    "log": RowNeeds(1, 2, 8, is_list=True),
    "events": RowNeeds(2, 4, 8, is_list=True),
    "charts": RowNeeds(6, 6, 6, uses_free_rows=True),
}
DEFAULT_LIMITS: RowLimits = (("losses", 7),)
"""The losses of an update of Tamiyo; its other metrics are in the panels of their groups."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Panels on top of each other, and their share of the width."""

    panels: tuple[str, ...]
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Tier:
    """Stacks beside each other."""

    stacks: tuple[Stack, ...]


@dataclass(frozen=True, slots=True)
class GridPlan:
    """The tiers of a screen from top to bottom; in low windows the lowest are left out first.

    A panel has a box if `boxed`, otherwise a titled rule. The plan is for windows of at least `from_width`
    cells.
    """

    from_width: int
    boxed: bool
    tiers: tuple[Tier, ...]


def _tier(*panels: str) -> Tier:
    """Panels of equal width."""
    return Tier(tuple(Stack((panel,)) for panel in panels))


_ONE_COLUMN = GridPlan(0, False, tuple(_tier(panel) for panel in NEEDS))
_RULED = GridPlan(
    76,
    False,
    (
        _tier("losses"),
        _tier("heads"),
        _tier("findings"),
        _tier("scalars"),
        _tier("health", "value"),
        _tier("gradients", "slots"),
        _tier("events"),
        _tier("anomalies"),
        _tier("vitals", "link"),
        _tier("return"),
        _tier("ranks"),
        _tier("log"),
        _tier("charts"),
    ),
)
_FIRST = Tier((Stack(("losses",)), Stack(("findings", "return"))))
"""The losses, beside what is wrong and whether it learns."""
_BOXED = GridPlan(
    100,
    True,
    (
        _FIRST,
        _tier("heads"),
        _tier("health", "value", "gradients"),
        _tier("scalars", "events"),
        _tier("slots", "vitals", "link"),
        _tier("anomalies", "log"),
        _tier("ranks"),
        _tier("charts"),
    ),
)
_MEDIUM = GridPlan(
    140,
    True,
    (
        _FIRST,
        _tier("heads"),
        _tier("scalars"),
        _tier("health", "value", "gradients", "slots"),
        Tier((Stack(("events",), 2), Stack(("vitals",)), Stack(("link",)))),
        _tier("anomalies", "log", "ranks"),
        _tier("charts"),
    ),
)
_WIDE = GridPlan(
    180,
    True,
    (
        Tier((Stack(("losses", "findings", "return"), 7), Stack(("heads", "scalars"), 12))),
        _tier("health", "value", "gradients", "slots", "vitals"),
        Tier((Stack(("events",), 5), Stack(("anomalies", "log"), 5), Stack(("ranks", "link"), 4))),
        _tier("charts"),
    ),
)
_WIDEST = GridPlan(
    240,
    True,
    (
        Tier((Stack(("losses", "findings", "return"), 7), Stack(("heads", "scalars"), 10))),
        _tier("health", "value", "gradients", "slots", "vitals", "link"),
        _tier("events", "anomalies", "log", "ranks"),
        _tier("charts"),
    ),
)
PLANS = (_ONE_COLUMN, _RULED, _BOXED, _MEDIUM, _WIDE, _WIDEST)


def plan_for(width: int, boxed: bool = True) -> GridPlan:
    """The plan of the widest class that a width reaches, of those without boxes unless `boxed`."""
    reached = (plan for plan in PLANS if plan.from_width <= width and (boxed or not plan.boxed))
    return max(reached, key=lambda plan: plan.from_width)


def is_full_width(panel: str, width: int) -> bool:
    """Whether a panel is alone in its tier in a window with boxes."""
    plan = plan_for(width)
    return plan.boxed and any(tier == _tier(panel) for tier in plan.tiers)
