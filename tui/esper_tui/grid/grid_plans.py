"""Which panels share a row of the screen, for each class of width, and how many rows each can use."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Need:
    """Rows of content: fewer than `least` say too little, `enough` say all that matters, more than
    `roomy` only add air. `endless` marks lists, which can use any number.
    """

    least: int
    enough: int
    roomy: int
    endless: bool = False


NEEDS: dict[str, Need] = {
    "losses": Need(1, 7, 7),
    "heads": Need(4, 10, 22),
    "findings": Need(1, 4, 8, endless=True),
    "health": Need(3, 8, 11),
    "value": Need(3, 8, 13),
    "gradients": Need(3, 8, 13),
    "slots": Need(3, 8, 12),
    "anomalies": Need(2, 4, 8, endless=True),
    "vitals": Need(3, 6, 11),
    "ranks": Need(2, 3, 9),
    "link": Need(3, 6, 9),
    "log": Need(1, 2, 8, endless=True),
    "events": Need(2, 4, 8, endless=True),
}


@dataclass(frozen=True, slots=True)
class Column:
    """Panels on top of each other, and their share of the width."""

    panels: tuple[str, ...]
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Band:
    """Columns beside each other."""

    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class PanelPlan:
    """The bands of a screen from top to bottom; the first ones are the last to go.

    `boxed` panels have a frame, others a titled rule.
    """

    from_width: int
    boxed: bool
    bands: tuple[Band, ...]


def _band(*panels: str) -> Band:
    """Panels of the same width."""
    return Band(tuple(Column((panel,)) for panel in panels))


_NARROW = PanelPlan(0, False, tuple(_band(panel) for panel in NEEDS))
_USUAL = PanelPlan(
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
_BOXED = PanelPlan(
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
_ROOMY = PanelPlan(
    140,
    True,
    (
        _band("losses", "findings"),
        _band("heads"),
        _band("health", "value", "gradients", "slots"),
        Band((Column(("events",), 2), Column(("vitals",)), Column(("link",)))),
        _band("anomalies", "log", "ranks"),
    ),
)
_WIDE = PanelPlan(
    180,
    True,
    (
        Band((Column(("losses", "findings"), 7), Column(("heads",), 12))),
        _band("health", "value", "gradients", "slots", "vitals"),
        Band((Column(("events",), 5), Column(("anomalies", "log"), 5), Column(("ranks", "link"), 4))),
    ),
)
_WIDEST = PanelPlan(
    240,
    True,
    (
        Band((Column(("losses", "findings"), 7), Column(("heads",), 10))),
        _band("health", "value", "gradients", "slots", "vitals", "link"),
        _band("events", "anomalies", "log", "ranks"),
    ),
)
PLANS = (_NARROW, _USUAL, _BOXED, _ROOMY, _WIDE, _WIDEST)


def plan_for(width: int, boxed: bool = True) -> PanelPlan:
    """The plan of the widest class that a width reaches; without boxes, where there is no room for them."""
    reached = (plan for plan in PLANS if plan.from_width <= width and (boxed or not plan.boxed))
    return max(reached, key=lambda plan: plan.from_width)
