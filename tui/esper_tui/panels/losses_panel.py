"""PPO LOSSES: how large was the update? (TELE-131 and TELE-132, with the measures around them.)"""

import math
from dataclasses import dataclass
from functools import cache

from esper_schemas.collapse import NOT_FALLING
from esper_schemas.judgement import Health, judge_field
from esper_schemas.run_metrics import metric_field
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import HISTORY_LENGTH, TamiyoState
from esper_tui.metrics.alarms import BEYOND
from esper_tui.metrics.metric_row import GAP, Column, Part, metric_row
from esper_tui.metrics.metric_value import MetricValue, value_in_state, value_of
from esper_tui.metrics.row_layout import row_layout
from esper_tui.panels.metric_panels import METRIC_PANELS, has_own_metrics
from esper_tui.text.numbers import NOT_MEASURED, count, number, percent, significant
from esper_tui.text.spans import Row, Rows, Span, Tone, fit_items, row_width
from esper_tui.text.theme import alarm_mark
from esper_tui.view.measured_fields import is_of_tamiyo, measured_fields

TITLE = "PPO LOSSES"
WARM_UP_UPDATES = 50
"""TELE-100: the updates that a run is given to find its scale."""
VALUE_WIDTH = 8
WIDE_LABEL, SHORT_LABEL, LONGEST_LABEL = 13, 9, 11
"""Widths of a label; the short one is enough for every metric that has a sparkline."""
OK_WIDTH, CRITICAL_WIDTH, DETAILS_WIDTH = 14, 26, 16
NOTE_WIDTH = 200
"""More than all items of the note take; the border cuts it to what fits."""
FAULTS = ("nan_grad_count", "inf_grad_count", "skipped_steps")

METRICS = {
    "explained_variance": 4,
    "kl_divergence": 5,
    "clip_fraction": 6,
    "joint_ratio_max": 7,
    "policy_loss": 1,
    "value_loss": 2,
    "loss_ratio": 3,
}
"""The rows from top to bottom, with the order in which they are given a place in low windows."""
GUESTS = {
    "entropy": "health",
    "learning_rate": "gradients",
    "entropy_coefficient": "gradients",
    "epochs_completed": "gradients",
}
"""Further rows, for metrics whose own panel has nothing else to show."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a metric with and without a history, and the width of the details and bounds behind."""

    with_history: tuple[Column, ...]
    without_history: tuple[Column, ...]
    notes: int


@cache
def layout(width: int) -> Layout:
    """Lay out a row: the label shrinks first, then the notes go, then the sparkline."""
    label = WIDE_LABEL if width >= 50 else SHORT_LABEL
    spark = HISTORY_LENGTH if width >= label + HISTORY_LENGTH + VALUE_WIDTH + 5 else 0
    label = label if spark else LONGEST_LABEL
    start = row_layout(width - spark, label, VALUE_WIDTH + 1)
    end = (Column(Part.VALUE, start.value), Column(Part.ARROW, start.arrow), Column(Part.MARK, 1), GAP)
    return Layout(
        (Column(Part.LABEL, start.label), Column(Part.HISTORY, spark), *end),
        (Column(Part.LABEL, start.label + spark), *end),
        max(width - label - spark - VALUE_WIDTH - 8, 0),
    )


def losses_rows(snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """The panel's rows; where there is room for it, a blank row between two of them."""
    rows = tuple(_row(snapshot, name, layout(width)) for name in _fitting(snapshot, height))
    if height >= 2 * len(rows) - 1:
        rows = tuple(line for row in rows for line in (row, ()))[:-1]
    return rows


def _fitting(snapshot: SanctumSnapshot, height: int) -> list[str]:
    """The most important rows that fit, from top to bottom."""
    names = losses_metrics(snapshot)
    kept = sorted(names, key=lambda name: METRICS.get(name, len(METRICS) + 1))[: max(height, 0)]
    return [name for name in names if name in kept]


def losses_metrics(snapshot: SanctumSnapshot, measured: frozenset[str] | None = None) -> tuple[str, ...]:
    """The metrics that have a row: all that Esper's own trainer measures, or else those that the run has
    measured. A run that only logs scalars of its own has none.
    """
    if is_of_tamiyo(snapshot.run):
        return tuple(METRICS)
    if not snapshot.tamiyo.ppo_data_received:
        return () if snapshot.scalars else tuple(METRICS)
    known = measured_fields(snapshot) if measured is None else measured
    guests = (n for n, panel in GUESTS.items() if not has_own_metrics(METRIC_PANELS[panel], known))
    return tuple(name for name in (*METRICS, *guests) if name in known)


def _row(snapshot: SanctumSnapshot, name: str, columns: Layout) -> Row:
    value = value_in_state(snapshot, name)
    start = columns.with_history if value.history else columns.without_history
    details = DETAILS[name](snapshot) if name in DETAILS else ()
    return (*metric_row(value, start), *_notes(value, columns.notes, details))


def _notes(value: MetricValue, width: int, details: Row) -> Row:
    """The bounds and the details that fit; details take precedence over the critical bound."""
    ok = Column(Part.OK, OK_WIDTH)
    if width >= OK_WIDTH + CRITICAL_WIDTH + DETAILS_WIDTH:
        return (*metric_row(value, (ok, Column(Part.CRITICAL, CRITICAL_WIDTH))), *details)
    if details:
        room = width - OK_WIDTH if width >= OK_WIDTH + DETAILS_WIDTH else width
        start = metric_row(value, (ok,)) if room < width else ()
        return (*start, *(details if row_width(details) <= room else ()))
    if width < OK_WIDTH:
        return ()
    return metric_row(value, (ok, Column(Part.CRITICAL, width - OK_WIDTH)))


def _clip_directions(snapshot: SanctumSnapshot) -> Row:
    """How much of the clipping is at each side; nothing where an update did not measure that."""
    state = snapshot.tamiyo
    sides = (state.clip_fraction_positive, state.clip_fraction_negative)
    if state.ppo_data_received and sides == (None, None):
        return ()
    up, down = (_direction(snapshot, *side) for side in (("↑", "positive"), ("↓", "negative")))
    return (*up, Span(" "), *down)


def _direction(snapshot: SanctumSnapshot, sign: str, side: str) -> Row:
    value = value_of(snapshot, f"clip_fraction_{side}")
    share = percent(value.value, 5) if snapshot.tamiyo.ppo_data_received else NOT_MEASURED
    return (Span(f"{sign}{share:<5}", value.tone(Tone.PLAIN)), alarm_mark(value.alarm))


def _lowest_ratio(snapshot: SanctumSnapshot) -> Row:
    """The smallest ratio, which the largest one does not show; nothing if it was not measured."""
    state = snapshot.tamiyo
    if state.ppo_data_received and state.joint_ratio_min is None:
        return ()
    value = value_of(snapshot, "joint_ratio_min")
    text = value.text(5) if state.ppo_data_received else NOT_MEASURED
    mark = metric_row(value, (Column(Part.MARK, 1),))
    return (Span("min ", Tone.LABEL), Span(f"{text:<5} ", value.tone()), *mark)


DETAILS = {"clip_fraction": _clip_directions, "joint_ratio_max": _lowest_ratio}
"""What some metrics have behind their mark."""


def losses_note(snapshot: SanctumSnapshot) -> Row:
    """For the border, which keeps its first items: values that are not finite and skipped steps, when the
    entropy will be low if it keeps falling, and otherwise the number of the update.
    """
    state = snapshot.tamiyo
    if not state.ppo_data_received:
        return ()
    update = (Span(f"update {count(state.last_update)}", Tone.DIM),)
    events = [*_faults(snapshot), *_low_entropy_ahead(state)]
    return fit_items(events or [*_warm_up(state), update], NOTE_WIDTH)


def _warm_up(state: TamiyoState) -> list[Row]:
    """The first updates say little: critic and trends have yet to find their scale."""
    made = state.ppo_updates_count
    words = f"warming up {count(made)}/{WARM_UP_UPDATES}"
    return [(Span(words, Tone.DIM),)] if 0 <= made < WARM_UP_UPDATES else []


def _low_entropy_ahead(state: TamiyoState) -> list[Row]:
    """TELE-122: the number of updates after which the entropy is at its critical bound if it keeps falling.

    This is arithmetic and not a finding: the entropy of a policy that learns falls, too.
    """
    bound = metric_field(state, "entropy_normalized").metric.bands.critical_below
    left_over = None if bound is None else updates_until_low_entropy(state, bound)
    if not left_over or judge_field(state, "collapse_risk_score") is not Health.CRITICAL:
        return []
    return [(Span(f"entropy {significant(bound, 5, 1)} in ~{count(left_over)}", Tone.WARNING),)]


def updates_until_low_entropy(state: TamiyoState, bound: float) -> int | None:
    """Updates until the normalised entropy reaches a bound at its present slope; None if it does not fall."""
    entropy, velocity = state.entropy_normalized, state.entropy_velocity
    if entropy is None or velocity is None:
        return None
    if not (math.isfinite(entropy) and math.isfinite(velocity)) or velocity >= NOT_FALLING:
        return None
    updates = max(entropy - bound, 0.0) / -velocity
    return int(min(updates, 1e9))


def _faults(snapshot: SanctumSnapshot) -> list[Row]:
    """The count of each fault: those that a finding is about first, then the others by their bands."""
    values = [value_of(snapshot, name) for name in FAULTS]
    found = [value for value in values if value.health in BEYOND]
    found.sort(key=lambda value: (value.alarm is Health.OK, value.health is Health.WARNING))
    return [_fault(value) for value in found]


def _fault(value: MetricValue) -> Row:
    mark = (alarm_mark(value.alarm), Span(" ")) if value.alarm is not Health.OK else ()
    return (*mark, Span(f"{number(value.value, 0, 7)} {value.metric.label}", value.tone()))
