"""What the keys that move do: some rows, or from panel to panel."""

from abc import abstractmethod

from esper_tui.navigation import LAST

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
