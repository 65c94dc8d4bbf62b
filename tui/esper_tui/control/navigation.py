"""Steps among choices, panels and rows."""

from collections.abc import Sequence

LAST = 10**6
"""A row behind the last one of any list: a cursor there stays at the end while the list grows."""


def next_choice(current: str, choices: Sequence[str]) -> str:
    """The choice after the current one; the first after the last or an unknown one."""
    place = choices.index(current) + 1 if current in choices else 0
    return choices[place % len(choices)]


def neighbour(current: str | None, panels: Sequence[str], direction: int) -> str | None:
    """The panel after (1) or before (-1) the current one; the first or the last if there is none."""
    if not panels:
        return None
    if current not in panels:
        return panels[0 if direction > 0 else -1]
    return panels[(panels.index(current) + direction) % len(panels)]


def moved(cursor: int, rows: int, length: int) -> int:
    """The cursor `rows` further, within a list of this length."""
    return min(max(cursor + rows, 0), max(length - 1, 0))


def cursor_row(cursor: int, key: object, keys: Sequence[object]) -> int:
    """The present row of a cursor.

    With a key it is the row of that entry, the one nearest to `cursor` if several are equal, or the first
    row if the entry is gone. Without a key it is the row where the cursor was left.
    """
    if key is not None:
        equal = [row for row, other in enumerate(keys) if other == key]
        cursor = min(equal, key=lambda row: abs(row - cursor), default=0)
    return moved(cursor, 0, len(keys))
