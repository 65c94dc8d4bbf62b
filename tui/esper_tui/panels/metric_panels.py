"""Small panels of metrics, one per row: label, value, direction, judgement, then history or bounds.

Which metrics a panel shows is all that differs between HEALTH, VALUE and GRADIENTS & LSTM.
"""

from dataclasses import dataclass

from esper_schemas.judgement import Health, judge_field
from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import HISTORY_METRICS, TamiyoState, Trend
from esper_tui.charts.sparkline import sparkline
from esper_tui.metrics.bounds_text import ok_words
from esper_tui.metrics.row_layout import divided
from esper_tui.text.numbers import number
from esper_tui.text.spans import Row, Rows, Span, Tone, left, right
from esper_tui.text.theme import ARROWS, mark, tone

LABEL_WIDTH, VALUE_WIDTH = 15, 9
START_WIDTH = LABEL_WIDTH + VALUE_WIDTH + 6


@dataclass(frozen=True, slots=True)
class Tile:
    """A panel's title and its metrics, most important first."""

    title: str
    metrics: tuple[str, ...]


TILES: dict[str, Tile] = {
    "health": Tile(
        "HEALTH",
        (
            "advantage_mean",
            "advantage_std",
            "advantage_positive_share",
            "grad_norm_pre_clip",
            "grad_norm",
            "log_prob_min",
            "entropy_normalized",
            "entropy_velocity",
            "collapse_risk_score",
            "entropy_clip_correlation",
            "log_prob_max",
            "advantage_skewness",
            "advantage_kurtosis",
            "advantage_min",
            "advantage_max",
            "entropy",
            "joint_ratio_mean",
            "joint_ratio_std",
        ),
    ),
    "value": Tile(
        "VALUE",
        (
            "explained_variance",
            "value_return_correlation",
            "td_error_mean",
            "bellman_error",
            "return_p10",
            "return_p50",
            "return_p90",
            "value_mean",
            "value_std",
            "value_min",
            "value_max",
            "return_mean",
            "return_std",
            "td_error_std",
            "value_nrmse",
            "explained_variance_floored",
            "return_variance_low",
            "return_skewness",
        ),
    ),
    "gradients": Tile(
        "GRADIENTS & LSTM",
        (
            "nan_grad_count",
            "inf_grad_count",
            "dead_layers",
            "exploding_layers",
            "gradient_cv",
            "gradient_drift",
            "value_grad_norm",
            "lstm_grad_norm",
            "lstm_hidden_rms",
            "lstm_cell_rms",
            "lstm_cell_mean",
            "lstm_forget_gate_saturation",
            "lstm_input_gate_saturation",
            "lstm_output_gate_saturation",
            "lstm_hidden_max",
            "lstm_cell_max",
            "skipped_steps",
            "learning_rate",
            "entropy_coefficient",
            "epochs_completed",
        ),
    ),
}


def tile_rows(tile: Tile, snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """The metrics that have a row, in their order."""
    state = snapshot.tamiyo
    return tuple(metric_row(state, name, width) for name in _shown(tile, state, max(height, 0)))


def _shown(tile: Tile, state: TamiyoState, height: int) -> tuple[str, ...]:
    """The first metrics; where not all fit, those that are not well push out the last that are."""
    if height >= len(tile.metrics):
        return tile.metrics
    worst_first = sorted(tile.metrics, key=lambda name: _urgency(judge_field(state, name)))
    kept = set(worst_first[:height])
    return tuple(name for name in tile.metrics if name in kept)


def _urgency(health: Health) -> int:
    """Lower is sooner; all that is well is alike."""
    return -max(_SEVERITY.index(health), _SEVERITY.index(Health.OK))


def tile_note(tile: Tile, snapshot: SanctumSnapshot) -> Row:
    """For the title: how many of the panel's metrics are not well, those without a row included."""
    found = [judge_field(snapshot.tamiyo, name) for name in tile.metrics]
    worst = max(found, key=_SEVERITY.index, default=Health.OK)
    bad = sum(health in _SEVERITY[-3:] for health in found)
    return (mark(worst), Span(f" {bad}", tone(worst))) if bad else ()


_SEVERITY = (
    Health.WAITING,
    Health.NOT_MEASURED,
    Health.OK,
    Health.WARNING,
    Health.CRITICAL,
    Health.NOT_FINITE,
)


def metric_row(state: TamiyoState, name: str, width: int) -> Row:
    """One metric; what stands behind the judgement is left out where it has no room."""
    metric, health = QUANTITIES[name].metric, judge_field(state, name)
    arrow, start = ARROWS[state.trends.get(name, Trend.UNKNOWN)], divided(width, LABEL_WIDTH, VALUE_WIDTH)
    return (
        left(metric.label, start.label, Tone.LABEL),
        value_span(state, name, start.value, health),
        Span(start.arrow_text(arrow)),
        mark(health) if ok_words(metric) or health is not Health.OK else Span(" "),
        Span("  "),
        *_rest(state, name, width - START_WIDTH),
    )


def value_span(state: TamiyoState, name: str, width: int, health: Health) -> Span:
    """The value at the right of its place, in the tone of its judgement."""
    if health is Health.WAITING:
        return right("waiting", width, Tone.DIM)
    text = number(getattr(state, name), QUANTITIES[name].metric.precision, max(width - 1, 1))
    return right(text, width, tone(health, Tone.VALUE))


def _rest(state: TamiyoState, name: str, width: int) -> Row:
    if name in HISTORY_METRICS and width >= 4:
        history = getattr(state, f"{name}_history")
        return sparkline(history, min(len(history), width), Tone.VALUE) if state.ppo_data_received else ()
    words = ok_words(QUANTITIES[name].metric)
    return (Span(words, Tone.DIM),) if len(words) <= width else ()
