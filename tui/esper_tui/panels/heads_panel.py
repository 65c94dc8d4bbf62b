"""ACTION HEADS: which head explores, how far does it move, and does it have a gradient?"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from esper_schemas.declarations import HeadSpec
from esper_schemas.judgement import HeadCondition
from esper_schemas.policy_heads import TAMIYO_HEADS, heads_of, is_any_measured
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import TamiyoState
from esper_tui.metrics.bounds_text import head_metric
from esper_tui.panels import head_columns
from esper_tui.panels.decisions import decision_columns, decision_line
from esper_tui.panels.gradient_flow import FLOW_METRICS, gradient_flow_row
from esper_tui.panels.heads_narrow import narrow_rows
from esper_tui.text.choice_names import head_label
from esper_tui.text.spans import Row, Rows, Span, Tone, aligned, crop, fit, fit_items, left, plain, right
from esper_tui.text.theme import CONDITIONS
from esper_tui.view.rank_labels import rank_labels, short_label

TITLE = "ACTION HEADS"
DECISIONS_SHOWN = 6
WIDEST_GAP = 8
WAITING = "waiting for the first update"
NONE_MEASURED = "No action head is measured."
LEGEND = (
    HeadCondition.HEALTHY,
    HeadCondition.UNREMARKABLE,
    HeadCondition.CONFUSED,
    HeadCondition.DETERMINISTIC,
    HeadCondition.DEAD,
    HeadCondition.EXPLODING,
)


@dataclass(frozen=True, slots=True)
class Columns:
    """Widths of the row labels and of each head's column, and the space within a column."""

    label: int
    widths: dict[str, int]
    space: head_columns.Space


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table: its importance (1 is kept longest), its group, label and column.

    For own heads, it is left out if none of them has a quantity of `families`; without any it never is.
    """

    importance: int
    group: int
    label: str
    column: Callable[[SanctumSnapshot, str, head_columns.Space], Row]
    families: tuple[str, ...] = ()


LINES: tuple[Line, ...] = (
    Line(1, 0, head_metric("entropy").label, head_columns.entropy, ("entropy",)),
    Line(5, 0, "", head_columns.entropy_bar, ("entropy", "std")),
    Line(3, 1, head_metric("ratio_max").label, head_columns.ratio_max, ("ratio_max",)),
    Line(6, 1, "", head_columns.ratio_bar, ("ratio_max",)),
    Line(7, 1, head_metric("ratio_min").label, head_columns.ratio_min, ("ratio_min",)),
    Line(4, 2, head_metric("grad_norm").label, head_columns.gradient, ("grad_norm",)),
    Line(2, 3, "State", head_columns.condition),
    Line(8, 3, "Latch", head_columns.latch),
)
"""From top to bottom. The titles are kept longest; below the table the gradient flow is kept longer than the
legend, which is also on the help page.
"""


def columns(width: int, heads: Sequence[HeadSpec] = TAMIYO_HEADS) -> Columns | None:
    """Divide a row among the heads; None if their columns do not fit beside each other.

    A column holds an arrow or a coefficient (`1.3×`), five digits and a mark. Coefficients are left out if
    they do not fit; spare width makes numbers and columns wider, up to a limit.
    """
    label = 10 if width >= 100 and 10 + 7 * len(heads) <= width else 5
    coefficients = label + sum(_narrowest(heads, True).values()) <= width
    narrowest = _narrowest(heads, coefficients)
    spare = (width - label - sum(narrowest.values())) // len(heads)
    if spare < 0:
        return None
    widths = {head: column + min(spare, WIDEST_GAP) for head, column in narrowest.items()}
    return Columns(label, widths, head_columns.Space(5 + min(spare, 2), coefficients))


def _narrowest(heads: Iterable[HeadSpec], coefficients: bool) -> dict[str, int]:
    return {spec.name: 10 if coefficients and spec.entropy_coefficient != 1.0 else 7 for spec in heads}


def heads_rows(snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """A table with one column per head or, if that is too wide, one row per head."""
    state = snapshot.tamiyo
    if state.ppo_data_received and not state.head_specs and not is_any_measured(state):
        below = _without_columns(snapshot, width, height - 1)
        return ((Span(NONE_MEASURED, Tone.DIM),), *below)[: max(height, 0)]
    layout = columns(width, heads_of(state))
    if layout is None:
        rows = narrow_rows(snapshot, width, height)
        below = _without_columns(snapshot, width, height - len(rows)) if state.head_specs else []
    else:
        rows = _table(snapshot, layout, width, height)
        below = _below(snapshot, layout, width, height - len(rows))
    return tuple([*rows, *below][: max(height, 0)])


def _without_columns(snapshot: SanctumSnapshot, width: int, room: int) -> list[Row]:
    """Below rows that are no table: the last decisions, newest first, and the gradient flow."""
    if room < 2 or not snapshot.tamiyo.ppo_data_received:
        return []
    shown = max(min(room - 3, DECISIONS_SHOWN), 0)
    newest = snapshot.decisions[: -shown - 1 : -1]
    ranks = rank_labels(snapshot)
    decisions = [
        fit(decision_line(snapshot.tamiyo, entry, short_label(ranks, entry.producer)), width)
        for entry in newest
    ]
    flow = _flow(snapshot, 5, width)
    return [(), *decisions, *([()] if decisions else []), *flow]


def _below(snapshot: SanctumSnapshot, layout: Columns, width: int, room: int) -> list[Row]:
    """Below the table, if there is room: the last decisions, newest first, and the gradient flow."""
    if room < 1 or not snapshot.tamiyo.ppo_data_received:
        return []
    flow = _flow(snapshot, layout.label, width)
    shown = max(min(room - 3, DECISIONS_SHOWN), 0) if snapshot.decisions else 0
    newest = snapshot.decisions[-shown:][::-1] if shown > 0 else ()
    ranks = rank_labels(snapshot)
    labels = [short_label(ranks, entry.producer, layout.label - 1) for entry in newest]
    rows = (decision_columns(snapshot.tamiyo, entry, layout.widths) for entry in newest)
    chosen = [
        (left(label or ("" if place else "Chosen"), layout.label, Tone.LABEL), *row)
        for place, (label, row) in enumerate(zip(labels, rows, strict=True))
    ]
    return [*([()] if room > 1 else []), *chosen, *([()] if chosen else []), *flow]


def _table(snapshot: SanctumSnapshot, layout: Columns, width: int, height: int) -> list[Row]:
    state, rows = snapshot.tamiyo, [_titles(layout)]
    if not state.ppo_data_received:
        return [*rows, (Span(" " * layout.label), Span(WAITING, Tone.DIM))]
    available = [line for line in LINES if _has_value(state, line)]
    kept = sorted(line.importance for line in available)[: max(height - 1, 0)]
    lines = [line for line in available if line.importance in kept]
    legend = height > len(available) + 2
    spacious = height >= len(available) + 2 + len({line.group for line in available})
    for number, line in enumerate(lines):
        if spacious and number and line.group != lines[number - 1].group:
            rows.append(())
        rows.append(_line(snapshot, line, layout))
    return rows + ([()] if spacious else []) + ([_legend(layout, width)] if legend else [])


def _has_value(state: TamiyoState, line: Line) -> bool:
    """Whether a line is about what is measured of the heads that a run declares."""
    measured = (getattr(head, family) for head in state.heads.values() for family in line.families)
    return not state.heads or not line.families or any(value is not None for value in measured)


def _flow(snapshot: SanctumSnapshot, label_width: int, width: int) -> list[Row]:
    """The gradient flow; for a run with own heads only if it measures it."""
    state = snapshot.tamiyo
    if state.head_specs and all(getattr(state, name) is None for name in FLOW_METRICS):
        return []
    label = left("Flow", label_width, Tone.LABEL)
    return [(label, *gradient_flow_row(snapshot, width - label_width))]


def _titles(layout: Columns) -> Row:
    names = (
        right(crop(head_label(head), width - 1) + " ", width, Tone.LABEL)
        for head, width in layout.widths.items()
    )
    return (Span(" " * layout.label), *names)


def _line(snapshot: SanctumSnapshot, line: Line, layout: Columns) -> Row:
    label = line.label if len(line.label) < layout.label else line.label.split()[-1]
    row = [left(label, layout.label, Tone.LABEL)]
    for head, width in layout.widths.items():
        row.extend(_apart(row[-1], aligned(line.column(snapshot, head, layout.space), width), width))
    return tuple(row)


def _apart(before: Span, column: Row, width: int) -> Row:
    """A column whose first digit would touch the mark before it loses its coefficient."""
    touching = plain(column)[:1].isdigit() and not before.text.endswith(" ")
    return (Span(" "), *aligned(column, width - 1)) if touching else column


def _legend(layout: Columns, width: int) -> Row:
    items: list[Row] = []
    for condition in LEGEND:
        symbol, tone = CONDITIONS[condition]
        items.append((Span(symbol, tone), Span(f" {condition.value}", Tone.DIM)))
    indent = layout.label if width >= 100 else 0
    return (Span(" " * indent), *fit_items(items, width - indent))
