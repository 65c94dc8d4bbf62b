"""One panel as large as the screen: everything of its group, and what is known of the row at the cursor."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from esper_schemas.catalogue import HEAD_FAMILIES, QUANTITIES, head_field
from esper_schemas.heads import HEADS
from esper_schemas.judgement import judge_field, loss_ratio
from esper_schemas.snapshot import EventEntry
from esper_schemas.state import HISTORY_LENGTH, HISTORY_METRICS, TamiyoState, Trend
from esper_tui import events, heads_cells, log, ranks, slots, vitals
from esper_tui.about import about_metric
from esper_tui.decisions import decision_lines
from esper_tui.findings import finding_title
from esper_tui.help import LOSSES_METRICS
from esper_tui.link import link_rows
from esper_tui.numbers import number
from esper_tui.rows import Row, Rows, Span, Tone, aligned, clean, fit, left, plain, right, row_width
from esper_tui.sparkline import sparkline
from esper_tui.theme import ARROWS, mark, tone
from esper_tui.tiles import TILES
from esper_tui.view import View
from esper_tui.words import critical_words, head_label, ok_words

ALL = 10_000
"""More rows than any list has."""
CURSOR = "▸ "
_HEAD_WIDTH = 10


@dataclass(frozen=True, slots=True)
class Page:
    """What an opened panel lists for a width under which titles, and what it says about the entry of a
    number.
    """

    entries: Callable[[View, int], Rows]
    about: Callable[[View, int, int], Rows]
    titles: Callable[[int], Rows] = lambda width: ()


def length(view: View, panel: str) -> int:
    """How many entries there are for the cursor."""
    return len(PAGES[panel].entries(view, 80))


def opened_rows(view: View, panel: str, cursor: int, width: int, height: int) -> Rows:
    """The entries around the cursor above, what is known of the one at the cursor below."""
    page, inner = PAGES[panel], max(width - len(CURSOR), 0)
    entries = page.entries(view, inner)
    cursor = min(max(cursor, 0), max(len(entries) - 1, 0))
    about = page.about(view, cursor, width) if entries else ()
    below = min(len(about), max(height - min(len(entries), height // 2) - 1, 0))
    titles = tuple((Span("  "), *row) for row in page.titles(inner)) if height > below + 3 else ()
    room = max(height - below - bool(below) - len(titles), 0)
    listed = (*titles, *_window(entries, cursor, room))
    blank = ((),) * (height - len(listed) - below) if below else ()
    return (*listed, *blank, *about[:below])[: max(height, 0)]


def _window(entries: Rows, cursor: int, height: int) -> Rows:
    """As many entries as fit, the one at the cursor marked and among them."""
    first = min(max(cursor - height // 2, 0), max(len(entries) - height, 0))
    return tuple(
        (Span(CURSOR if number_ == cursor else "  ", Tone.FOCUS), *row)
        for number_, row in enumerate(entries[first : first + height], first)
    )


def _value(state: TamiyoState, name: str) -> float | None:
    return loss_ratio(state) if name == "loss_ratio" else getattr(state, name)


def wide_row(state: TamiyoState, name: str) -> Row:
    """Everything about one metric that fits into a line."""
    metric, health = QUANTITIES[name].metric, judge_field(state, name)
    text = number(_value(state, name), metric.precision, 10) if state.ppo_data_received else "waiting"
    history = getattr(state, f"{name}_history") if name in HISTORY_METRICS else ()
    return (
        left(metric.label, 16, Tone.LABEL),
        right(text, 11, tone(health, Tone.VALUE)),
        Span(f" {ARROWS[state.trends.get(name, Trend.UNKNOWN)]} "),
        mark(health) if ok_words(metric) else Span(" "),
        Span("  "),
        left(metric.unit, 13, Tone.DIM),
        left(ok_words(metric), 14, Tone.DIM),
        *fit(sparkline(history, HISTORY_LENGTH, Tone.VALUE) if history else (), HISTORY_LENGTH),
        Span("  "),
        left(critical_words(metric), 28, Tone.DIM),
        Span(metric.id, Tone.DIM),
    )


def _metrics_page(names: tuple[str, ...]) -> Page:
    def entries(view: View, width: int) -> Rows:
        return tuple(wide_row(view.snapshot.tamiyo, name) for name in names)

    def about(view: View, cursor: int, width: int) -> Rows:
        return about_metric(view.snapshot.tamiyo, names[cursor], width)

    return Page(entries, about)


def _heads_entries(view: View, width: int) -> Rows:
    """One row per family with a column per head; where that is too wide, one row per head and family."""
    state = view.snapshot.tamiyo
    if width < 16 + _HEAD_WIDTH * len(HEADS):
        return tuple(_head_row(state, head, family) for family in HEAD_FAMILIES for head in HEADS)
    return tuple(_family_row(state, family) for family in HEAD_FAMILIES)


def _heads_titles(width: int) -> Rows:
    if width < 16 + _HEAD_WIDTH * len(HEADS):
        return ()
    names = (right(f"{head_label(head)} ", _HEAD_WIDTH, Tone.LABEL) for head in HEADS)
    return ((Span(" " * 16), *names),)


def _family_row(state: TamiyoState, family: str) -> Row:
    label = QUANTITIES[head_field(HEADS[0], family)].metric.label
    cells = [span for head in HEADS for span in aligned(_head_cell(state, head, family), _HEAD_WIDTH)]
    return (left(label, 16, Tone.LABEL), *cells)


def _head_row(state: TamiyoState, head: str, family: str) -> Row:
    label = QUANTITIES[head_field(head, family)].metric.label
    return (
        left(f"{label} {head_label(head)}", 26, Tone.LABEL),
        *aligned(_head_cell(state, head, family), 12),
    )


def _head_cell(state: TamiyoState, head: str, family: str) -> Row:
    if not state.ppo_data_received:
        return (Span("waiting", Tone.DIM), Span(" "))
    return heads_cells.measured(state, head, family, heads_cells.Space(7))


def _heads_about(view: View, cursor: int, width: int) -> Rows:
    narrow = width - len(CURSOR) < 16 + _HEAD_WIDTH * len(HEADS)
    family = HEAD_FAMILIES[cursor // len(HEADS) if narrow else cursor]
    head = HEADS[cursor % len(HEADS)] if narrow else HEADS[0]
    return about_metric(view.snapshot.tamiyo, head_field(head, family), width)


def _wrapped(text: str, width: int, shade: Tone = Tone.PLAIN) -> Rows:
    lines = textwrap.wrap(clean(text), max(width, 10))
    return tuple((Span(line, shade),) for line in lines)


def _event_entries(view: View, width: int) -> Rows:
    return events.events_rows(view.snapshot, width, ALL)


def _event_about(view: View, cursor: int, width: int) -> Rows:
    return _entry_about(view.snapshot.recent_events, cursor, width)


def _log_entries(view: View, width: int) -> Rows:
    return log.log_rows(view.snapshot, width, ALL)


def _log_about(view: View, cursor: int, width: int) -> Rows:
    if cursor >= len(view.snapshot.log):
        return ()
    entry = view.snapshot.log[cursor]
    head = f"{events.time_of_day(entry.at_ns)}  {entry.level} of {entry.producer}"
    return (*_wrapped(head, width, Tone.LABEL), *_wrapped(entry.message, width))


def _entry_about(entries: tuple[EventEntry, ...], cursor: int, width: int) -> Rows:
    if cursor >= len(entries):
        return ()
    entry = entries[cursor]
    head = f"{events.time_of_day(entry.at_ns)}  {entry.kind} of {entry.producer}"
    return (*_wrapped(head, width, Tone.LABEL), *_wrapped(entry.text, width))


def _gradient_entries(view: View, width: int) -> Rows:
    """The metrics of the group, then the norm of each layer's gradient where they were sampled."""
    metrics = tuple(wide_row(view.snapshot.tamiyo, name) for name in TILES["gradients"].metrics)
    return (*metrics, *_layers(view, width))


def _layers(view: View, width: int) -> Rows:
    entry = view.snapshot.layer_gradients
    if entry is None:
        return ()
    norms = sorted(entry.sample.grad_norms.items(), key=lambda item: item[0])
    return tuple(
        (
            left(clean(name), max(min(width - 12, 50), 0), Tone.LABEL),
            right(number(norm, 6, 10), 11, Tone.VALUE),
        )
        for name, norm in norms
    )


def _gradient_about(view: View, cursor: int, width: int) -> Rows:
    names = TILES["gradients"].metrics
    if cursor < len(names):
        return about_metric(view.snapshot.tamiyo, names[cursor], width)
    entry = view.snapshot.layer_gradients
    sampled = "" if entry is None else number(entry.sample.update, 0, 7)
    return _wrapped(f"The norm of one layer's gradient, sampled in update {sampled}.", width)


def _vitals_entries(view: View, width: int) -> Rows:
    return (
        *(wide_row(view.snapshot.tamiyo, name) for name in vitals.TIMES),
        *vitals.vitals_rows(view.snapshot, width, ALL),
    )


def _vitals_about(view: View, cursor: int, width: int) -> Rows:
    if cursor >= len(vitals.TIMES):
        return ()
    return about_metric(view.snapshot.tamiyo, vitals.TIMES[cursor], width)


def _finding_entries(view: View, width: int) -> Rows:
    return tuple(finding_title(finding, width) for finding in view.snapshot.findings)


def _finding_about(view: View, cursor: int, width: int) -> Rows:
    finding = view.snapshot.findings[cursor]
    evidence = [
        (Span(f"{number(e.update, 0, 7):>7}  ", Tone.DIM), Span(clean(e.text))) for e in finding.evidence
    ]
    advice = [line for text in finding.advice for line in _wrapped(f"→ {text}", width)]
    return (*_wrapped("Evidence, by update", width, Tone.LABEL), *evidence, *advice)


def _rows_page(rows: Callable[[View, int], Rows]) -> Page:
    """A list whose entries say all there is; one that is too long is repeated below."""

    def about(view: View, cursor: int, width: int) -> Rows:
        listed = rows(view, max(width - len(CURSOR), 0))
        if cursor >= len(listed) or row_width(listed[cursor]) <= width - len(CURSOR):
            return ()
        return _wrapped(plain(listed[cursor]), width)

    return Page(rows, about)


def _slot_entries(view: View, width: int) -> Rows:
    return (*slots.slots_rows(view.snapshot, width, ALL), (), *decision_lines(view.snapshot))


PAGES: dict[str, Page] = {
    "losses": _metrics_page((*LOSSES_METRICS, "loss_ratio")),
    "heads": Page(_heads_entries, _heads_about, _heads_titles),
    "findings": Page(_finding_entries, _finding_about),
    **{name: _metrics_page(tile.metrics) for name, tile in TILES.items()},
    "slots": _rows_page(_slot_entries),
    "gradients": Page(_gradient_entries, _gradient_about),
    "vitals": Page(_vitals_entries, _vitals_about),
    "ranks": _rows_page(lambda view, width: ranks.ranks_rows(view.snapshot, width, ALL)),
    "link": _rows_page(lambda view, width: link_rows(view, width, ALL)),
    "log": Page(_log_entries, _log_about),
    "events": Page(_event_entries, _event_about),
    "runs": _rows_page(lambda view, width: tuple(fit((Span(clean(run)),), width) for run in view.link.runs)),
}
"""Every panel that can be opened, and the list of runs."""
