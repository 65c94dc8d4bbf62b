"""HEALTH, VALUE and GRADIENTS & LSTM: panels that differ only in the metrics of their rows."""

from dataclasses import dataclass
from functools import cache

from esper_schemas.judgement import Health
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import HISTORY_METRICS
from esper_tui.metrics.alarms import metric_alarm, worst
from esper_tui.metrics.metric_row import GAP, Column, Part, metric_row
from esper_tui.metrics.metric_value import value_in_state
from esper_tui.metrics.row_layout import row_layout
from esper_tui.text.spans import Row, Rows, Span
from esper_tui.text.theme import ALARM_TONES, alarm_mark
from esper_tui.view.measured_fields import is_of_tamiyo, measured_fields

LABEL_WIDTH, VALUE_WIDTH = 15, 9
START_WIDTH = LABEL_WIDTH + VALUE_WIDTH + 6
LEAST_HISTORY = 4


@dataclass(frozen=True, slots=True)
class MetricPanel:
    """A panel's title and its metrics, most important first; `signs` have a row only once measured."""

    title: str
    metrics: tuple[str, ...]
    signs: tuple[str, ...] = ()


METRIC_PANELS: dict[str, MetricPanel] = {
    "health": MetricPanel(
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
            "advantage_correlation",
            "initial_ratio_max",
            "initial_kl",
            "gae_residual",
            "reward_checksum_error",
            "kl_final",
            "joint_kl_final",
            "clip_fraction_final",
            "ratio_max_final",
            "joint_ratio_max_final",
        ),
        (
            "kl_k1",
            "policy_churn",
            "log_prob_advantage_covariance",
            "advantage_p10",
            "advantage_p50",
            "advantage_p90",
            "advantage_p99",
        ),
    ),
    "value": MetricPanel(
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
        ("value_error_p10", "value_error_p50", "value_error_p90", "value_error_p99"),
    ),
    "gradients": MetricPanel(
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
            "value_gradient_share",
        ),
        ("feature_rank", "dead_units", "preactivation_norm", "gradient_noise_scale"),
    ),
}


SHOWN_IN_LOSSES = frozenset(
    ("explained_variance", "entropy", "learning_rate", "entropy_coefficient", "epochs_completed")
)
"""Metrics of these panels that PPO LOSSES shows where the rest of their panel was not measured."""


def has_own_metrics(panel: MetricPanel, measured: frozenset[str]) -> bool:
    """Whether a metric was measured that only this panel shows."""
    return not measured.isdisjoint({*panel.metrics, *panel.signs} - SHOWN_IN_LOSSES)


def metric_panel_rows(panel: MetricPanel, snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """One row for each metric that fits, in their order."""
    metrics = shown_metrics(panel, snapshot)
    return tuple(_row(snapshot, name, width) for name in _fitting(metrics, snapshot, max(height, 0)))


def shown_metrics(
    panel: MetricPanel, snapshot: SanctumSnapshot, measured: frozenset[str] | None = None
) -> tuple[str, ...]:
    """The metrics of a panel that have a row: all that Esper's own trainer measures, or else those that the
    run has measured; and the signs that it has measured.
    """
    known = measured_fields(snapshot) if measured is None else measured
    signs = tuple(name for name in panel.signs if name in known)
    if not snapshot.tamiyo.ppo_data_received or is_of_tamiyo(snapshot.run):
        return panel.metrics + signs
    return tuple(name for name in panel.metrics if name in known) + signs


def listed_metrics(panel: MetricPanel, snapshot: SanctumSnapshot) -> tuple[str, ...]:
    """The metrics of a panel that is opened: all, and the signs that were measured."""
    known = measured_fields(snapshot)
    return panel.metrics + tuple(name for name in panel.signs if name in known)


def _fitting(metrics: tuple[str, ...], snapshot: SanctumSnapshot, height: int) -> tuple[str, ...]:
    """The first metrics; if not all fit, those that findings are about replace the last others."""
    if height >= len(metrics):
        return metrics
    worst_first = sorted(metrics, key=lambda name: -_SEVERITY.index(metric_alarm(snapshot, name)))
    kept = set(worst_first[:height])
    return tuple(name for name in metrics if name in kept)


def metric_panel_note(panel: MetricPanel, snapshot: SanctumSnapshot) -> Row:
    """For the border: how many of the panel's metrics findings are about, including those without a row."""
    alarms = [metric_alarm(snapshot, name) for name in panel.metrics + panel.signs]
    found = [alarm for alarm in alarms if alarm is not Health.OK]
    highest = worst(*found)
    return (alarm_mark(highest), Span(f" {len(found)}", ALARM_TONES[highest])) if found else ()


_SEVERITY = (Health.OK, Health.WARNING, Health.CRITICAL)


def _row(snapshot: SanctumSnapshot, name: str, width: int) -> Row:
    """One metric, with its history or its bounds if there is room."""
    value, rest = value_in_state(snapshot, name), max(width - START_WIDTH, 0)
    if name in HISTORY_METRICS and rest >= LEAST_HISTORY:
        return metric_row(value, _columns(width, Column(Part.HISTORY, min(len(value.history), rest))))
    return metric_row(value, _columns(width, Column(Part.OK, rest)))


@cache
def _columns(width: int, last: Column) -> tuple[Column, ...]:
    start = row_layout(width, LABEL_WIDTH, VALUE_WIDTH)
    return (
        Column(Part.LABEL, start.label),
        Column(Part.VALUE, start.value),
        Column(Part.ARROW, start.arrow),
        Column(Part.MARK, 1),
        GAP,
        last,
    )
