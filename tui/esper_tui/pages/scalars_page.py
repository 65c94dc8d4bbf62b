"""SCALARS, opened: every scalar under the heading of its group, which is expanded or collapsed."""

from collections.abc import Iterator, Sequence
from functools import partial

from esper_schemas.judgement import Health
from esper_schemas.metrics.metric import Good
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.metrics.alarms import worst
from esper_tui.metrics.beyond_bands import scalar_standing, standing_text
from esper_tui.metrics.bounds_text import critical_words, ok_words
from esper_tui.metrics.metric_help import history_rows
from esper_tui.metrics.own_scalar import logged_text, scalar_metric, scalar_value
from esper_tui.metrics.scalar_groups import ScalarGroup, beyond, scalar_groups
from esper_tui.pages.page import Entries, Entry, GroupKey, wrapped
from esper_tui.panels.scalars_panel import NO_SCALARS, ScalarLayout, row_layout, scalar_row
from esper_tui.text.explanation import term_rows
from esper_tui.text.numbers import count, counted
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, crop
from esper_tui.text.theme import alarm_mark
from esper_tui.view.view import View

PROBLEMS = GroupKey("beyond")
EXPANDED_UP_TO = 60
"""With more scalars than this, groups are collapsed at first."""
INDENT, UNIT_WIDTH = 2, 14
NO_MEANING = "Not described by the run; `define` gives a scalar a unit, a meaning and bounds."


def scalar_entries(view: View, width: int) -> Sequence[Entry]:
    """Scalars with a problem, then the groups; the rows of collapsed groups are left out."""
    snapshot = view.snapshot
    if not snapshot.scalars:
        return [Entry((Span(NO_SCALARS, Tone.DIM),), lambda width: wrapped(NO_MEANING, width))]
    found, groups = beyond(snapshot), scalar_groups(snapshot)
    names = {GroupKey("group", group.prefix): group for group in groups}
    if found:
        names = {PROBLEMS: ScalarGroup("beyond their bounds", found), **names}
    keys = list(_keys(snapshot, names, view.toggled))
    layout = row_layout(max(group.longest for group in groups), width - INDENT)
    return Entries(keys, partial(_entry, snapshot, names, view.toggled, layout))


def is_expanded(snapshot: SanctumSnapshot, key: GroupKey, toggled: frozenset[object]) -> bool:
    """Whether the rows of a group are listed."""
    at_first = key == PROBLEMS or len(snapshot.scalars) <= EXPANDED_UP_TO
    return at_first != (key in toggled)


_Key = GroupKey | tuple[GroupKey, str]


def _keys(
    snapshot: SanctumSnapshot, groups: dict[GroupKey, ScalarGroup], toggled: frozenset[object]
) -> Iterator[_Key]:
    """The key of each row: of a group, or of a scalar in one."""
    for key, group in groups.items():
        yield key
        if is_expanded(snapshot, key, toggled):
            yield from ((key, name) for name in group.names)


def _entry(
    snapshot: SanctumSnapshot,
    groups: dict[GroupKey, ScalarGroup],
    toggled: frozenset[object],
    layout: ScalarLayout,
    key: _Key,
) -> Entry:
    if isinstance(key, GroupKey):
        return _heading(snapshot, groups[key], key, is_expanded(snapshot, key, toggled))
    row = (Span(" " * INDENT), *scalar_row(snapshot, key[1], layout))
    return Entry(row, partial(about_scalar, snapshot, key[1]), key, metrics=(key[1],))


def scalar_entry(snapshot: SanctumSnapshot, name: str, width: int) -> Entry:
    """A scalar outside of its group."""
    row = scalar_row(snapshot, name, row_layout(len(name), width))
    return Entry(row, partial(about_scalar, snapshot, name), metrics=(name,))


def _heading(snapshot: SanctumSnapshot, group: ScalarGroup, key: GroupKey, expanded: bool) -> Entry:
    title = clean(group.prefix) or "without prefix"
    sign = "-" if expanded else "+"
    row: list[Span] = [
        Span(f"{sign} ", Tone.DIM),
        Span(crop(title, 40), Tone.TITLE),
        Span(f"  {count(len(group.names))}", Tone.DIM),
    ]
    if key == PROBLEMS:
        alarm = worst(*(scalar_value(snapshot, name).alarm for name in group.names))
        row += (Span("  "), alarm_mark(alarm)) if alarm is not Health.OK else ()
    what = "collapses" if expanded else "expands"
    text = f"{counted(len(group.names), 'scalar')}; enter {what} the group."
    return Entry(tuple(row), lambda width: wrapped(text, width, Tone.DIM), key)


def about_scalar(snapshot: SanctumSnapshot, name: str, width: int) -> Rows:
    """What the run says about a scalar, its bounds, when it was logged, and its history."""
    return tuple(_about(snapshot, name, width))


def _about(snapshot: SanctumSnapshot, name: str, width: int) -> Iterator[Row]:
    spec, state = snapshot.metric_specs.get(name), snapshot.scalars[name]
    metric = scalar_metric(name, spec)
    unit = crop(metric.unit, UNIT_WIDTH)
    yield (Span(f"{crop(metric.label, max(width - UNIT_WIDTH - 2, 0))}  ", Tone.TITLE), Span(unit, Tone.DIM))
    yield from term_rows("Meaning", metric.meaning or NO_MEANING, width)
    bounds = [words for words in (ok_words(metric), critical_words(metric)) if words]
    good = [] if metric.good is Good.NEITHER else [f"ideally {metric.good.value}"]
    yield from term_rows("Healthy", ", ".join([*bounds, *good]) or "no bounds", width)
    if now := standing_text(snapshot, name, scalar_standing(snapshot, name)):
        yield from term_rows("Now", now, width)
    yield from term_rows("Logged", logged_text(snapshot, name), width)
    if state.history:
        yield from history_rows(state.history, metric.precision, width)
