"""What the chart screen knows of the run: the curves, the extent and the marks that its history answers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from esper_schemas.history import Axis, Mark
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.charts.chart_board import ChartBoard
from esper_tui.charts.curve import Curve
from esper_tui.charts.viewport import Extent
from esper_tui.metrics.snapshot_curves import snapshot_curves
from esper_tui.pages.chart_marks import STEPS_METRIC, place_on
from esper_tui.pages.chart_page import ChartPage
from esper_tui.past.mark_answers import MarkAnswers
from esper_tui.past.run_history import RunHistory
from esper_tui.past.series_answers import SeriesAnswers, SeriesWish

STEPS_POINTS = 1_000
_NOTE = "These are the last values that the screen has received."


@dataclass(frozen=True, slots=True)
class Known:
    """The curves and marks that can be drawn now; equal ones draw the same charts."""

    curves: Mapping[str, Curve]
    extent: Extent | None = None
    marks: tuple[Mark, ...] = ()
    steps: Curve | None = None
    note: str = ""

    def page(self, board: ChartBoard) -> ChartPage:
        """The page of some charts."""
        return ChartPage(
            board=board,
            curves=self.curves,
            extent=self.extent,
            marks=self.marks,
            steps=self.steps,
            note=self.note,
        )


NOTHING = Known({})


class ChartCurves:
    """Keeps the newest answers about what is on the chart screen.

    `known` is replaced whenever there is something new to draw, and only then.
    """

    def __init__(self, history: RunHistory) -> None:
        self._series = SeriesAnswers(history)
        self._steps = SeriesAnswers(history)
        self._marks = MarkAnswers(history)
        self._extent: Extent | None = None
        self._axis: Axis = "update"
        self._drawn_from: tuple[object, ...] = ()
        self.known = NOTHING

    def want(self, board: ChartBoard, points: int, snapshot: SanctumSnapshot, now_s: float) -> None:
        """Ask for what the board shows, and take what has been answered."""
        viewport, grown_to = board.viewport, (snapshot.run.run, snapshot.events_folded)
        wish = SeriesWish(board.metrics(), viewport.window, points, viewport.axis)
        self._series.want(wish, grown_to, now_s)
        self._marks.want(grown_to, now_s)
        if viewport.axis == "env_step":
            self._steps.want(SeriesWish((STEPS_METRIC,), points=STEPS_POINTS), grown_to, now_s)
        is_kept = not self._series.problem
        news: tuple[object, ...] = (self._series.curves, self._marks.answer, self._steps.curves, is_kept)
        news = (*news, board.metrics(), viewport.axis, None if is_kept else snapshot)
        if len(news) != len(self._drawn_from) or any(
            a is not b and a != b for a, b in zip(news, self._drawn_from, strict=True)
        ):
            self._drawn_from = news
            self.known = self._known(board, snapshot)

    def _known(self, board: ChartBoard, snapshot: SanctumSnapshot) -> Known:
        axis, shown = board.viewport.axis, self._series.shown
        if self._series.problem:
            curves: Mapping[str, Curve] = (
                snapshot_curves(snapshot, board.metrics()) if axis == "update" else {}
            )
            return Known(curves, _extent(curves.values()), note=f"{self._series.problem} {_NOTE}")
        if axis != self._axis:
            self._axis, self._extent = axis, None
        if shown is None or shown.axis != axis:
            return NOTHING
        steps, marks = self._steps.curves.get(STEPS_METRIC), self._marks.answer
        if shown.window is None or self._extent is None:
            self._extent = _extent(self._series.curves.values()) or self._extent
        end = place_on(axis, marks.last, steps)
        if self._extent and end is not None:  # The last bucket starts before the end of the run.
            self._extent = (self._extent[0], max(self._extent[1], end))
        return Known(self._series.curves, self._extent, marks.marks, steps)


def _extent(curves: Iterable[Curve]) -> Extent | None:
    """The first and the last place of any curve, also of what a resumed run made again."""
    drawn = [each for curve in curves for each in (curve, curve.earlier) if each is not None and len(each.x)]
    if not drawn:
        return None
    return min(curve.x[0] for curve in drawn), max(curve.x[-1] for curve in drawn)
