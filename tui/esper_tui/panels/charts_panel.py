"""RETURN: the mean return over the whole run, with its baseline; CHARTS: other metrics, in free rows."""

from collections.abc import Sequence
from itertools import pairwise

from esper_schemas.metrics.metric import Bands
from esper_schemas.rules.finding_metrics import MEAN_RETURN
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.charts.chart import NO_BANDS, Chart, DrawnCurve, with_earlier
from esper_tui.charts.curve import Curve
from esper_tui.charts.line_chart import chart_rows
from esper_tui.charts.place_axis import PlaceAxis
from esper_tui.metrics.charted_metric import baseline_of, charted_metric
from esper_tui.metrics.snapshot_curves import snapshot_curves
from esper_tui.text.numbers import significant
from esper_tui.text.spans import Row, Rows, Span, Tone, crop, fit
from esper_tui.view.measured_fields import measured_fields
from esper_tui.view.view import View

RETURN_TITLE, CHARTS_TITLE = "RETURN", "CHARTS"
SHOWING_CURVES = ("return", "charts")
"""The panels that show curves of the whole run."""
PREFERRED = (
    *("kl_divergence", "entropy", "explained_variance", "value_loss", "policy_loss", "grad_norm"),
    *("clip_fraction", "joint_ratio_max", "advantage_std", "learning_rate", "grad_norm_pre_clip"),
    *("approx_kl_k1", "return_p50", "value_mean", "td_error_std", "update_time_ms"),
)
"""The metrics of the catalogue that are charted, most important first."""
LEAST_PANE_WIDTH, LEAST_PANE_HEIGHT = 36, 8
MOST_CHARTS = 16
NO_RETURN = "waiting for the first return"
NO_CHARTS = "waiting for the first update"


def charted_metrics(snapshot: SanctumSnapshot) -> tuple[str, ...]:
    """The metrics for free rows: those of the catalogue that are measured, then the run's own."""
    measured = measured_fields(snapshot)
    preferred = [name for name in PREFERRED if name in measured]
    described = [name for name in snapshot.scalars if name in snapshot.metric_specs]
    others = [name for name in snapshot.scalars if name not in snapshot.metric_specs]
    return tuple([*preferred, *described, *others][:MOST_CHARTS])


def return_rows(view: View, width: int, height: int) -> Rows:
    """The return over the whole run, or the last returns if it is not known."""
    return _chart_of(view, MEAN_RETURN, width, height, message=NO_RETURN)


def return_note(view: View) -> Row:
    """For the border: the return, the baseline and the difference."""
    run = view.snapshot.run
    if run.mean_return is None:
        return ()
    value = Span(significant(run.mean_return, 9), Tone.VALUE)
    if run.baseline_return is None:
        return (value,)
    gain = run.mean_return - run.baseline_return
    difference = Span(
        f"{'+' if gain > 0 else ''}{significant(gain, 9)}", Tone.GOOD if gain > 0 else Tone.PLAIN
    )
    return value, Span(" "), difference


def charts_rows(view: View, width: int, height: int) -> Rows:
    """As many charts as have room beside and above each other, each below its name."""
    names = charted_metrics(view.snapshot)
    if not names:
        return ((Span(crop(NO_CHARTS, width), Tone.DIM),),)[:height]
    columns = max(min(width // LEAST_PANE_WIDTH, len(names)), 1)
    rows = max(min(height // LEAST_PANE_HEIGHT, -(-len(names) // columns)), 1)
    lefts = [width * column // columns for column in range(columns + 1)]
    tops = [height * row // rows for row in range(rows + 1)]
    drawn: list[Row] = []
    for row in range(rows):
        room = tops[row + 1] - tops[row]
        shown = names[row * columns : (row + 1) * columns]
        widths = [right - left for left, right in pairwise(lefts)]
        panes = [_pane(view, name, pane, room) for name, pane in zip(shown, widths, strict=False)]
        drawn += (_beside(lines, widths, width) for lines in zip(*panes, strict=True))
    return tuple(drawn[: max(height, 0)])


def _beside(lines: Sequence[Row], widths: Sequence[int], width: int) -> Row:
    row = [span for line, cells in zip(lines, widths, strict=False) for span in fit(line, cells)]
    return fit(tuple(row), width)


def _pane(view: View, name: str, width: int, height: int) -> Rows:
    """One chart below its name and its last value; a blank separates it from the next one."""
    metric, curve = charted_metric(view.snapshot, name), _curve(view, name)
    last = curve.last[-1] if curve is not None and len(curve.last) else None
    title = (
        Span(metric.label, Tone.LABEL),
        Span(f" {significant(last, 9, metric.precision)}", Tone.VALUE),
        Span(f" {metric.unit}", Tone.DIM),
    )
    return (title, *_chart_of(view, name, width - 1, height - 1, metric.bands))


def _curve(view: View, name: str) -> Curve | None:
    return view.curves.get(name) or snapshot_curves(view.snapshot, (name,)).get(name)


def _chart_of(
    view: View,
    name: str,
    width: int,
    height: int,
    bands: Bands = NO_BANDS,
    message: str = "",
) -> Rows:
    """The chart of one metric; in the past with a cursor at the update that is shown."""
    curve = _curve(view, name)
    axis = PlaceAxis(curve.x[0], curve.x[-1]) if curve is not None and len(curve.x) else PlaceAxis(0.0, 0.0)
    chart = Chart(
        curves=[] if curve is None else with_earlier(DrawnCurve(curve)),
        axis=axis,
        bands=bands,
        references=baseline_of(view.snapshot) if name == MEAN_RETURN else (),
        cursor=float(view.snapshot.tamiyo.last_update) if view.is_past else None,
        message=message or "not measured",
    )
    return chart_rows(chart, width, height)
