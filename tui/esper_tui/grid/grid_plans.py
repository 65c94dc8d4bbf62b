"""Which panels share a row of the screen, for each class of width, and how many rows each can use."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowNeeds:
    """Rows of content: fewer than `least` say too little, `enough` say all that matters, more than
    `roomy` only add air. `endless` marks lists, which can use any number.
    """

    least: int
    enough: int
    roomy: int
    endless: bool = False


NEEDS: dict[str, RowNeeds] = {
    "losses": RowNeeds(1, 7, 7),
    "heads": RowNeeds(4, 10, 22),
    "findings": RowNeeds(1, 4, 8, endless=True),
    "health": RowNeeds(3, 8, 11),
    "value": RowNeeds(3, 8, 13),
    "gradients": RowNeeds(3, 8, 13),
    "slots": RowNeeds(3, 8, 12),
    "anomalies": RowNeeds(2, 4, 8, endless=True),
    "vitals": RowNeeds(3, 6, 11),
    "ranks": RowNeeds(2, 3, 9),
    "link": RowNeeds(3, 6, 9),
    "log": RowNeeds(1, 2, 8, endless=True),
    "events": RowNeeds(2, 4, 8, endless=True),
}


@dataclass(frozen=True, slots=True)
class Column:
    """Panels on top of each other, and their share of the width."""

    panels: tuple[str, ...]
    weight: int = 1


@dataclass(frozen=True, slots=True)
class GridRow:
    """Columns beside each other."""

    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class GridPlan:
    """The bands of a screen from top to bottom; the first ones are the last to go.

    `boxed` panels have a frame, others a titled rule.
    """

    from_width: int
    boxed: bool
    bands: tuple[GridRow, ...]


def _band(*panels: str) -> GridRow:
    """Panels of the same width."""
    return GridRow(tuple(Column((panel,)) for panel in panels))


_NARROW = GridPlan(0, False, tuple(_band(panel) for panel in NEEDS))
_USUAL = GridPlan(
    76,
    False,
    (
        _band("losses"),
        _band("heads"),
        _band("findings"),
        _band("health", "value"),
        _band("gradients", "slots"),
        _band("events"),
        _band("anomalies"),
        _band("vitals", "link"),
        _band("ranks"),
        _band("log"),
    ),
)
_BOXED = GridPlan(
    100,
    True,
    (
        _band("losses", "findings"),
        _band("heads"),
        _band("health", "value", "gradients"),
        _band("events"),
        _band("slots", "vitals", "link"),
        _band("anomalies", "log"),
        _band("ranks"),
    ),
)
_ROOMY = GridPlan(
    140,
    True,
    (
        _band("losses", "findings"),
        _band("heads"),
        _band("health", "value", "gradients", "slots"),
        GridRow((Column(("events",), 2), Column(("vitals",)), Column(("link",)))),
        _band("anomalies", "log", "ranks"),
    ),
)
_WIDE = GridPlan(
    180,
    True,
    (
        GridRow((Column(("losses", "findings"), 7), Column(("heads",), 12))),
        _band("health", "value", "gradients", "slots", "vitals"),
        GridRow((Column(("events",), 5), Column(("anomalies", "log"), 5), Column(("ranks", "link"), 4))),
    ),
)
_WIDEST = GridPlan(
    240,
    True,
    (
        GridRow((Column(("losses", "findings"), 7), Column(("heads",), 10))),
        _band("health", "value", "gradients", "slots", "vitals", "link"),
        _band("events", "anomalies", "log", "ranks"),
    ),
)
PLANS = (_NARROW, _USUAL, _BOXED, _ROOMY, _WIDE, _WIDEST)


def plan_for(width: int, boxed: bool = True) -> GridPlan:
    """The plan of the widest class that a width reaches; without boxes, where there is no room for them."""
    reached = (plan for plan in PLANS if plan.from_width <= width and (boxed or not plan.boxed))
    return max(reached, key=lambda plan: plan.from_width)
