"""How a person wants to look at the snapshot: the only thing that a picture depends on besides it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """Symbols, hidden panels, the focused panel, and the one that fills the screen with its cursor.

    `held` is the key of the entry that the cursor stays at while the list moves.
    """

    symbols: str = "block"
    hidden: frozenset[str] = frozenset()
    focus: str | None = None
    opened: str | None = None
    cursor: int = 0
    held: object = None
