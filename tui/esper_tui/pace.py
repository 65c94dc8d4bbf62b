"""When a panel is due to be drawn again: what is read at leisure need not be drawn twenty times a second."""

INTERVALS_S: dict[str, float] = {"header": 0.0, "losses": 0.1, "heads": 0.1, "findings": 0.1}
"""At least so long between two pictures of a panel."""

AT_LEISURE_S = 0.25
"""The interval of every other panel."""

IDLE_S = 0.2
"""How often ages are drawn while nothing else happens."""


def is_due(panel: str, drawn_at: float | None, now: float) -> bool:
    """Whether a panel that has something new to show may show it; times are seconds of one clock."""
    return drawn_at is None or now - drawn_at >= INTERVALS_S.get(panel, AT_LEISURE_S)
