"""Where a step leads: among panels, runs, themes, and rows."""

from abc import abstractmethod
from collections.abc import Sequence

LAST = 10**6
"""Behind the last row of any list: a cursor there stays at the end of a list that grows."""


def after(current: str, choices: Sequence[str]) -> str:
    """The choice after the current one, the first after the last or after an unknown one."""
    place = choices.index(current) + 1 if current in choices else 0
    return choices[place % len(choices)]


def beside(current: str | None, panels: Sequence[str], direction: int) -> str | None:
    """The panel after (1) or before (-1) the current one; from none to the first or the last."""
    if not panels:
        return None
    if current not in panels:
        return panels[0 if direction > 0 else -1]
    return panels[(panels.index(current) + direction) % len(panels)]


def moved(cursor: int, rows: int, length: int) -> int:
    """The cursor so many rows further, within a list."""
    return min(max(cursor + rows, 0), max(length - 1, 0))


def found(cursor: int, held: object, keys: Sequence[object]) -> int:
    """Where a cursor stands now: at the entry that it is held at, or the oldest if that is gone; else
    where it was left, within the list. Of entries that are alike it is the one nearest to that place.
    """
    if held is not None:
        alike = [row for row, key in enumerate(keys) if key == held]
        cursor = min(alike, key=lambda row: abs(row - cursor), default=0)
    return moved(cursor, 0, len(keys))


PAGE = 10


class Moves:
    """The actions of these keys, for an app that knows what to step through and where a cursor is."""

    @abstractmethod
    def step(self, direction: int) -> None:
        """To the next panel, or to the previous one for -1."""

    @abstractmethod
    def move(self, rows: int) -> None:
        """So many rows down, up where negative."""

    def action_focus_next_panel(self) -> None:
        """Mark the next panel, or open it where one is open."""
        self.step(1)

    def action_focus_previous_panel(self) -> None:
        """Mark the previous panel, or open it where one is open."""
        self.step(-1)

    def action_next_panel(self) -> None:
        """As `focus_next_panel`, for keys that point to the right."""
        self.step(1)

    def action_previous_panel(self) -> None:
        """As `focus_previous_panel`, for keys that point to the left."""
        self.step(-1)

    def action_cursor_down(self) -> None:
        """The next row of an opened panel, or the next panel."""
        self.move(1)

    def action_cursor_up(self) -> None:
        """The previous row of an opened panel, or the previous panel."""
        self.move(-1)

    def action_page_down(self) -> None:
        """Ten rows down."""
        self.move(PAGE)

    def action_page_up(self) -> None:
        """Ten rows up."""
        self.move(-PAGE)

    def action_first_row(self) -> None:
        """The first row of an opened panel."""
        self.move(-LAST)

    def action_last_row(self) -> None:
        """The last row of an opened panel."""
        self.move(LAST)
