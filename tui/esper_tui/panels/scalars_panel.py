"""SCALARS: what the run logs under names of its own, grouped by the prefix of the names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, isfinite

from esper_schemas.judgement import Health
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.metrics.alarms import worst
from esper_tui.metrics.metric_row import GAP, Column, Part, metric_row
from esper_tui.metrics.metric_value import MetricValue
from esper_tui.metrics.own_scalar import age_text, scalar_text, scalar_value
from esper_tui.metrics.scalar_groups import ScalarGroup, beyond, prefix_of, scalar_groups
from esper_tui.text.numbers import count
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, crop, fit, left, right, text_width
from esper_tui.text.theme import ALARM_TONES, alarm_mark

TITLE = "SCALARS"
REST = "…"
NO_SCALARS = "nothing logged under names of its own"
VALUE_WIDTH, ARROW_WIDTH, MARK_WIDTH, HISTORY_WIDTH, TAIL_WIDTH = 9, 3, 1, 10, 12
SHORTEST_NAME, NAME_WIDTH, LONGEST_NAME = 12, 20, 44
"""Widths of a name: the least, the one for which the history is left out, and the greatest."""
LEAST_COLUMN, COLUMN_GAP = 46, 3
"""The width from which on a column has room for a name, a number and its history."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the panel: a scalar, or a group of which only the size is shown."""

    prefix: str
    name: str | None = None
    hidden: int = 0


def scalars_rows(snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """As many scalars as fit, in columns where the panel is wide; those with a problem come first."""
    if height < 1:
        return ()
    if not snapshot.scalars:
        return ((Span(crop(NO_SCALARS, width), Tone.DIM),),)
    columns = min(scalar_columns(width), ceil(len(snapshot.scalars) / height))
    lines = panel_lines(snapshot, height * columns)
    height = min(height, ceil(len(lines) / columns))
    column_width = (width - COLUMN_GAP * (columns - 1)) // columns
    parts = [lines[start : start + height] for start in range(0, len(lines), height)]
    drawn = [list(_column(snapshot, part, column_width)) for part in parts]
    return tuple(_beside(drawn, row, column_width) for row in range(height))


def scalar_columns(width: int) -> int:
    """The most columns that fit into this width."""
    return max((width + COLUMN_GAP) // (LEAST_COLUMN + COLUMN_GAP), 1)


def _beside(columns: Sequence[Sequence[Row]], number: int, width: int) -> Row:
    row: list[Span] = []
    for place, column in enumerate(columns):
        if number < len(column):
            row += (Span(" " * COLUMN_GAP if place else ""), *fit(column[number], width))
    return tuple(row)


def panel_lines(snapshot: SanctumSnapshot, room: int) -> list[Line]:
    """The lines of the panel. If not all scalars fit, large groups are one line each; then the last groups
    are left out.
    """
    first = beyond(snapshot)
    lines = [Line(prefix_of(name), name) for name in first[:room]]
    groups = scalar_groups(snapshot, frozenset(first))
    shares = _shares(groups, room - len(lines))
    for group in groups:
        shown = group.names[: shares.get(group.prefix, 0)]
        lines += (Line(group.prefix, name) for name in shown)
        if len(shown) < len(group.names):
            lines.append(Line(group.prefix, hidden=len(group.names) - len(shown)))
    if len(lines) <= room:
        return lines
    left_out = sum(line.hidden or 1 for line in lines[room - 1 :])
    return [*lines[: room - 1], Line(REST, hidden=left_out)]


def _shares(groups: Sequence[ScalarGroup], room: int) -> dict[str, int]:
    """How many scalars of each group are shown: all of the smallest ones, and what then fits of one more."""
    shares, left_over = dict[str, int](), room - len(groups)
    for group in sorted(groups, key=lambda group: len(group.names)):
        if len(group.names) - 1 > left_over:
            shares[group.prefix] = max(left_over, 0)
            break
        left_over -= len(group.names) - 1
        shares[group.prefix] = len(group.names)
    return shares


def _column(snapshot: SanctumSnapshot, lines: Sequence[Line], width: int) -> Iterator[Row]:
    """The lines of one column; below a name with the same prefix the prefix is left blank."""
    layout = _layout(lines, width)
    before: str | None = None
    for line in lines:
        if line.name is not None:
            yield scalar_row(snapshot, line.name, layout, repeats=line.prefix == before)
        else:
            yield _group_row(line, layout, repeats=line.prefix == before)
        before = line.prefix


@dataclass(frozen=True, slots=True)
class ScalarLayout:
    """The widths of the parts of a row; the last ones are left out where there is no room for them."""

    name: int
    value: int = VALUE_WIDTH
    arrow: int = ARROW_WIDTH
    history: int = 0
    tail: int = 0


def _layout(lines: Sequence[Line], width: int) -> ScalarLayout:
    longest = max((text_width(clean(line.name or line.prefix)) for line in lines), default=0)
    return row_layout(longest, width)


def row_layout(longest_name: int, width: int) -> ScalarLayout:
    """Divide a row: a name of up to `LONGEST_NAME` cells, the number, its history, and what else fits."""
    longest = min(max(longest_name, SHORTEST_NAME), LONGEST_NAME)
    rest = width - VALUE_WIDTH - ARROW_WIDTH - MARK_WIDTH
    if rest < SHORTEST_NAME:
        value = max(min(VALUE_WIDTH, width - MARK_WIDTH), 1)
        return ScalarLayout(max(width - value - MARK_WIDTH, 0), value, 0)
    history = HISTORY_WIDTH if rest - min(longest, NAME_WIDTH) >= HISTORY_WIDTH + 2 else 0
    name = min(longest, rest - (history + 2 if history else 0))
    spare = rest - name - (history + 2 if history else 0)
    return ScalarLayout(name, history=history, tail=spare - 2 if spare >= TAIL_WIDTH + 2 else 0)


def scalar_row(snapshot: SanctumSnapshot, name: str, layout: ScalarLayout, repeats: bool = False) -> Row:
    """Name, number, direction, mark and history; then its unit, or when it was logged if that is long ago: an
    old number is dim.
    """
    value, age = scalar_value(snapshot, name), age_text(snapshot, name)
    number = scalar_text(snapshot, name, max(layout.value - 1, 1))
    row: list[Span] = [
        *_name(name, layout.name, repeats),
        right(number, layout.value, _tone(value, old=bool(age))),
        *metric_row(value, (Column(Part.ARROW, layout.arrow), Column(Part.MARK, MARK_WIDTH))),
    ]
    if layout.history:
        row += metric_row(value, (GAP, Column(Part.HISTORY, layout.history)))
    if layout.tail:
        row += (Span("  "), left(age or value.metric.unit, layout.tail, Tone.DIM))
    return tuple(row)


def _tone(value: MetricValue, old: bool) -> Tone:
    """Return the tone of a value; one that is not finite stands out, even if it is within its bounds."""
    if value.value is not None and not isfinite(value.value):
        return value.tone(Tone.WARNING)
    return value.tone(Tone.DIM if old else Tone.VALUE)


def _name(name: str, width: int, repeats: bool) -> Row:
    """A name in two tones, its prefix first; of a name that is too long the end is kept."""
    prefix, name = clean(prefix_of(name)), clean(name)
    own = name[len(prefix) :]
    if text_width(name) > width or not own:
        return (left(_end(name, width), width, Tone.LABEL),)
    start = " " * text_width(prefix) if repeats else prefix
    return (Span(start, Tone.DIM), left(own, width - text_width(prefix), Tone.LABEL))


def _end(text: str, width: int) -> str:
    """The end of a text, behind "…" if it is cut: names of one group differ there."""
    if text_width(text) <= width:
        return text
    kept = text[-max(width - 1, 0) :] if width > 1 else ""
    while kept and text_width(kept) > width - 1:
        kept = kept[1:]
    return f"…{kept}" if width > 0 else ""


def _group_row(line: Line, layout: ScalarLayout, repeats: bool) -> Row:
    """How many scalars of a group are not shown, or how many in all where none of it is."""
    is_rest = repeats or line.prefix == REST
    name = "" if repeats else clean(line.prefix) or "without prefix"
    words = "more" if is_rest else "scalar" if line.hidden == 1 else "scalars"
    return (
        left(name, layout.name, Tone.DIM),
        right(count(line.hidden), layout.value, Tone.DIM),
        Span(f" {words}", Tone.DIM),
    )


def scalars_note(snapshot: SanctumSnapshot) -> Row:
    """For the border: how many of them findings are about, and how many there are."""
    if not snapshot.scalars:
        return ()
    number = Span(count(len(snapshot.scalars)), Tone.DIM)
    alarms = [scalar_value(snapshot, name).alarm for name in beyond(snapshot)]
    found = [alarm for alarm in alarms if alarm is not Health.OK]
    if not found:
        return (number,)
    highest = worst(*found)
    return (alarm_mark(highest), Span(f" {len(found)}", ALARM_TONES[highest]), Span("  "), number)
