"""Which charts are shown and how: several at once in a grid, of which one is selected. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from esper_tui.charts.viewport import Viewport

GRIDS = ((1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (4, 3), (4, 4))
"""Rows and columns of charts."""
SMOOTHINGS = (0.0, 0.6, 0.9, 0.97, 0.99)
"""The decays of the moving average."""
MOST_CURVES = 8
"""The most curves in one chart, each of which has a tone of its own."""


@dataclass(frozen=True, slots=True)
class ChartItem:
    """The metrics of one chart, and its title if they have one in common."""

    metrics: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class ChartBoard:
    """The charts to choose from, the number of the selected one, the grid, and how all are drawn."""

    items: tuple[ChartItem, ...]
    selected: int = 0
    grid: tuple[int, int] = GRIDS[0]
    viewport: Viewport = Viewport()  # noqa: RUF009
    logarithmic: bool = False
    smoothing: float = 0.0
    own_ranges: bool = False

    @property
    def item(self) -> ChartItem:
        """The selected chart."""
        return self.items[self.selected]

    def visible(self) -> tuple[int, ...]:
        """The numbers of the charts on the page of the selected one."""
        size = self.grid[0] * self.grid[1]
        first = self.selected // size * size
        return tuple(range(first, min(first + size, len(self.items))))

    def metrics(self) -> tuple[str, ...]:
        """The metrics of all visible charts, each once."""
        return tuple(dict.fromkeys(m for number in self.visible() for m in self.items[number].metrics))

    def stepped(self, direction: int) -> "ChartBoard":
        """The next (1) or the previous (-1) chart selected."""
        return replace(self, selected=(self.selected + direction) % len(self.items))

    def regridded(self, direction: int) -> "ChartBoard":
        """The next larger (1) or smaller (-1) grid; beyond the last one, the first."""
        return replace(self, grid=GRIDS[(GRIDS.index(self.grid) + direction) % len(GRIDS)])

    def next_smoothing(self) -> "ChartBoard":
        """The next stronger moving average; after the strongest, none."""
        return replace(self, smoothing=_after(self.smoothing, SMOOTHINGS))

    def showing(self, item: ChartItem) -> "ChartBoard":
        """The chart selected, which is added before the selected one if it is new."""
        if item in self.items:
            return replace(self, selected=self.items.index(item))
        items = (*self.items[: self.selected], item, *self.items[self.selected :])
        return replace(self, items=items)

    def overlaid(self, metric: str) -> "ChartBoard":
        """The selected chart with one more metric; the same one if it has that or as many as it can."""
        metrics = self.item.metrics
        if metric in metrics or len(metrics) >= MOST_CURVES:
            return self
        return self._with_item(ChartItem((*metrics, metric)))

    def without_last(self) -> "ChartBoard":
        """The selected chart without its last metric; one remains."""
        metrics = self.item.metrics
        return self if len(metrics) == 1 else self._with_item(ChartItem(metrics[:-1]))

    def _with_item(self, item: ChartItem) -> "ChartBoard":
        items = (*self.items[: self.selected], item, *self.items[self.selected + 1 :])
        return replace(self, items=items)


def _after(current: float, choices: Sequence[float]) -> float:
    return choices[(choices.index(current) + 1) % len(choices)]
