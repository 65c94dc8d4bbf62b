"""PPO LOSSES: is the update healthy? (TELE-131 and TELE-132, with the measures around them.)"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from esper_schemas.collapse import NOT_FALLING
from esper_schemas.judgement import Health, judge_field, judge_loss_ratio, loss_ratio
from esper_schemas.metrics import LossRatio
from esper_schemas.metrics.metric import Metric
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import HISTORY_LENGTH, HISTORY_METRICS, TamiyoState, Trend
from esper_tui.charts.sparkline import sparkline
from esper_tui.metrics.bounds_text import critical_words, metric_of, ok_words
from esper_tui.metrics.row_layout import Division, divided
from esper_tui.text.numbers import count, number, percent
from esper_tui.text.spans import Row, Rows, Span, Tone, fit, flow, left, right
from esper_tui.text.theme import ARROWS, alarm, mark, tone

TITLE = "PPO LOSSES"
WARM_UP_UPDATES = 50
"""TELE-100: so many updates a run is given to find its scale."""
UNDEFINED = "---"
VALUE_WIDTH = 8
WIDE_LABEL, SHORT_LABEL, LONGEST_LABEL = 13, 9, 11
"""Cells of a label; a short one is long enough for every metric that has a sparkline."""
OK_WIDTH, CRITICAL_WIDTH, DETAILS_WIDTH = 14, 26, 16
NOTE_WIDTH = 200
"""More than all items of the note take; how much of it is seen is the frame's to say."""
OK = Tone.VALUE
FAULTS = ("nan_grad_count", "inf_grad_count", "skipped_steps")
BAD = (Health.WARNING, Health.CRITICAL, Health.NOT_FINITE)


@dataclass(frozen=True, slots=True)
class Columns:
    """Cells of what every metric has, of the sparkline behind the label, and of what may follow the mark."""

    start: Division
    spark: int
    notes: int


def columns(width: int) -> Columns:
    """Divide a row: the label gives way first, then the notes, then the sparkline."""
    label = WIDE_LABEL if width >= 50 else SHORT_LABEL
    spark = HISTORY_LENGTH if width >= label + HISTORY_LENGTH + VALUE_WIDTH + 5 else 0
    label = label if spark else LONGEST_LABEL
    start = divided(width - spark, label, VALUE_WIDTH + 1)
    return Columns(start, spark, max(width - label - spark - VALUE_WIDTH - 8, 0))


def losses_rows(snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """The panel's rows; where there is room for it, a blank row between two of them."""
    state, layout = snapshot.tamiyo, columns(width)
    kept = _most_important(height)
    rows = tuple(row(state, layout) for _, row in kept)
    if height >= 2 * len(rows) - 1:
        rows = tuple(line for row in rows for line in (row, ()))[:-1]
    return rows


def losses_note(snapshot: SanctumSnapshot) -> Row:
    """For the title, which keeps its first items: what is broken or about to be, the worst first; else
    which update this is.
    """
    state = snapshot.tamiyo
    if not state.ppo_data_received:
        return ()
    update = (Span(f"update {count(state.last_update)}", Tone.DIM),)
    alarms = [*_collapse(state), *_breakage(state)]
    return flow(alarms or [*_warm_up(state), update], NOTE_WIDTH)


def _warm_up(state: TamiyoState) -> list[Row]:
    """The first updates say little: critic and trends have still to find their scale."""
    made = state.ppo_updates_count
    words = f"warming up {count(made)}/{WARM_UP_UPDATES}"
    return [(Span(words, Tone.DIM),)] if 0 <= made < WARM_UP_UPDATES else []


def _collapse(state: TamiyoState) -> list[Row]:
    """TELE-122: the policy will have collapsed in so many updates, if its entropy goes on falling."""
    left_over = updates_until_collapse(state)
    if left_over is None or judge_field(state, "collapse_risk_score") is not Health.CRITICAL:
        return []
    return [(Span(f"✗ COLLAPSE in ~{count(left_over)}" if left_over else "✗ COLLAPSED", Tone.CRITICAL),)]


def updates_until_collapse(state: TamiyoState) -> int | None:
    """Updates until the entropy reaches its critical bound at the present slope; None if it does not fall."""
    entropy, velocity = state.entropy_normalized, state.entropy_velocity
    bound = metric_of("entropy_normalized").bands.critical_below
    if entropy is None or velocity is None or bound is None:
        return None
    if not (math.isfinite(entropy) and math.isfinite(velocity)) or velocity >= NOT_FALLING:
        return None
    updates = max(entropy - bound, 0.0) / -velocity
    return int(min(updates, 1e9))


def _breakage(state: TamiyoState) -> list[Row]:
    """What was counted of each fault; those that are critical before those that are not yet."""
    judged = [(name, judge_field(state, name)) for name in FAULTS]
    found = [(name, health) for name, health in judged if health in BAD]
    worst_first = sorted(found, key=lambda fault: fault[1] is Health.WARNING)
    return [_fault(state, name, health) for name, health in worst_first]


def _fault(state: TamiyoState, name: str, health: Health) -> Row:
    words = f" {count(getattr(state, name))} {metric_of(name).label}"
    return (mark(health), Span(words, tone(health)))


def metric_row(state: TamiyoState, name: str, layout: Columns, details: Row = ()) -> Row:
    """Label, history, value, direction, judgement, then the details and the bounds that fit."""
    health, metric = judge_field(state, name), metric_of(name)
    return (
        *_start(metric.label, _spark(state, name, layout.spark), layout),
        *_value(state, getattr(state, name), metric, health, layout),
        Span(layout.start.arrow_text(_arrow(state, name))),
        _mark(health, metric),
        *_notes(metric, layout, details),
    )


def _start(label: str, spark: Row, layout: Columns) -> Row:
    """Without a sparkline its place is the label's as well."""
    if not spark:
        return (left(label, layout.start.label + layout.spark, Tone.LABEL),)
    return (left(label, layout.start.label, Tone.LABEL), *fit(spark, layout.spark))


def _spark(state: TamiyoState, name: str, width: int) -> Row:
    if name not in HISTORY_METRICS or not state.ppo_data_received:
        return ()
    return sparkline(getattr(state, f"{name}_history"), width, OK)


def _value(state: TamiyoState, value: float | None, metric: Metric, health: Health, layout: Columns) -> Row:
    width = layout.start.value
    if not state.ppo_data_received:
        return (right("waiting", width, Tone.DIM),)
    text = number(value, metric.precision, max(width - 1, 1))
    return (right(text, width, tone(health, OK)),)


def _arrow(state: TamiyoState, name: str) -> str:
    """Direction only: whether it is good is the mark's business."""
    return ARROWS[state.trends.get(name, Trend.UNKNOWN)]


def _mark(health: Health, metric: Metric) -> Span:
    """A metric without bounds has nothing to be fine about."""
    judged = bool(ok_words(metric)) or health is not Health.OK
    return mark(health) if judged else Span(" ")


def _notes(metric: Metric, layout: Columns, details: Row = ()) -> Row:
    """Where the value is fine, where it is critical, and the details, which push out first the latter."""
    fine = (left(ok_words(metric), OK_WIDTH, Tone.DIM),)
    critical = (Span(critical_words(metric), Tone.DIM),)
    if layout.notes >= OK_WIDTH + CRITICAL_WIDTH + DETAILS_WIDTH:
        return (Span("  "), *fine, *fit(critical, CRITICAL_WIDTH), *details)
    if details and layout.notes < OK_WIDTH + DETAILS_WIDTH:
        return (Span("  "), *flow([details], layout.notes))
    return (Span("  "), *flow([fine, details or critical], layout.notes, gap=0))


def _explained_variance(state: TamiyoState, layout: Columns) -> Row:
    return metric_row(state, "explained_variance", layout)


def _kl_divergence(state: TamiyoState, layout: Columns) -> Row:
    return metric_row(state, "kl_divergence", layout)


def _clip_fraction(state: TamiyoState, layout: Columns) -> Row:
    directions = (
        *_direction(state, "↑", "clip_fraction_positive"),
        Span(" "),
        *_direction(state, "↓", "clip_fraction_negative"),
    )
    return metric_row(state, "clip_fraction", layout, directions)


def _direction(state: TamiyoState, sign: str, name: str) -> Row:
    health = judge_field(state, name)
    share = percent(getattr(state, name), 5) if state.ppo_data_received else "–"
    return (Span(f"{sign}{share:<5}", tone(health, Tone.PLAIN)), alarm(health))


def _joint_ratio(state: TamiyoState, layout: Columns) -> Row:
    health = judge_field(state, "joint_ratio_min")
    metric = metric_of("joint_ratio_min")
    value = number(state.joint_ratio_min, metric.precision, 5) if state.ppo_data_received else "–"
    lowest = (Span("min ", Tone.LABEL), Span(f"{value:<5} ", tone(health, OK)), mark(health))
    return metric_row(state, "joint_ratio_max", layout, lowest)


def _policy_loss(state: TamiyoState, layout: Columns) -> Row:
    return metric_row(state, "policy_loss", layout)


def _value_loss(state: TamiyoState, layout: Columns) -> Row:
    return metric_row(state, "value_loss", layout)


def _loss_ratio(state: TamiyoState, layout: Columns) -> Row:
    """Lv/Lp; where it is undefined it is `---`, which is no reason to worry."""
    health, ratio = judge_loss_ratio(state), loss_ratio(state)
    value = _value(state, ratio, LossRatio, health, layout)
    if state.ppo_data_received and ratio is None:
        value = (right(UNDEFINED, layout.start.value, Tone.DIM),)
    start, blank = _start(LossRatio.label, (), layout), Span(layout.start.arrow_text(" "))
    return (*start, *value, blank, mark(health), *_notes(LossRatio, layout))


ROWS: tuple[tuple[int, Callable[[TamiyoState, Columns], Row]], ...] = (
    (4, _explained_variance),
    (5, _kl_divergence),
    (6, _clip_fraction),
    (7, _joint_ratio),
    (1, _policy_loss),
    (2, _value_loss),
    (3, _loss_ratio),
)
"""From top to bottom, with the order in which they are given a place."""


def _most_important(
    height: int,
) -> list[tuple[int, Callable[[TamiyoState, Columns], Row]]]:
    return [entry for entry in ROWS if entry[0] <= height]
