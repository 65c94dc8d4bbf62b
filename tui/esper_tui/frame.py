"""A frame: the whole screen as rows of text, drawn from panels, borders and their arrangement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil

from esper_schemas.history import Moment
from esper_tui.control.commands import key_of
from esper_tui.grid.arrangement import OPENED, Place, arrange
from esper_tui.grid.border import (
    BOX_ROWS,
    FOCUSED_BORDER,
    PLAIN_BORDER,
    TOP_BORDER_ROWS,
    bordered,
    inner_size,
)
from esper_tui.grid.grid_plans import DEFAULT_LIMITS, RowLimits, is_full_width
from esper_tui.pages.opened_panel import keys, moment_at, opened_list
from esper_tui.pages.page import wrapped
from esper_tui.panels.footer import footer_rows
from esper_tui.panels.header import header_rows
from esper_tui.panels.panel_content import content_rows, cut_text, panels_with_content
from esper_tui.panels.panel_registry import PANELS
from esper_tui.panels.scalars_panel import scalar_columns
from esper_tui.panels.time_bar import time_bar_height, time_bar_rows
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, faded, fit, fit_items, plain
from esper_tui.text.symbols import translated
from esper_tui.view.connection_status import ConnectionState, judge_feed
from esper_tui.view.view import View, ViewOptions

RUNS, RUNS_TITLE = "runs", "RUNS"
SCALARS = "scalars"
EMPTY, TIME_BAR = "empty", "time_bar"
NOTHING_MEASURED: Row = (Span("nothing measured, so it has no place on the main screen", Tone.DIM),)
ALL_HIDDEN = f"All panels are hidden; {key_of('show_all')} shows them again."


def _message(text: str, width: int, height: int) -> Rows:
    """A text on an otherwise empty place."""
    rows = ((), *wrapped(text, width - 2, Tone.DIM), *((),) * height)[:height]
    return tuple(fit((Span(" "), *row), width) for row in rows)


BARS: dict[str, Callable[[View, ViewOptions, int, int], Rows]] = {
    "header": lambda view, options, width, height: header_rows(view, width, height),
    "footer": footer_rows,
    TIME_BAR: lambda view, options, width, height: time_bar_rows(view, width, height),
    EMPTY: lambda view, options, width, height: _message(ALL_HIDDEN, width, height),
}
"""The parts of a frame that have no border."""


@dataclass(frozen=True, slots=True)
class ScreenPlan:
    """What the places of a frame depend on besides its size: the panels that are not shown, because they are
    hidden or have nothing to show; how many rows others can fill; whether one is opened; and whether there is
    a time bar.
    """

    absent: frozenset[str] = frozenset()
    limits: RowLimits = DEFAULT_LIMITS
    opened: bool = False
    time_bar: bool = False

    def places(self, width: int, height: int) -> tuple[Place, ...]:
        """The places in a window of this size; the time bar is above the footer."""
        rows = time_bar_height(height) if self.time_bar else 0
        if not rows:
            return self._other_places(width, height)
        places = self._other_places(width, height - rows)
        footers = [place for place in places if place.panel == "footer"]
        bar = Place(TIME_BAR, 0, height - rows - len(footers), width, rows)
        moved = (replace(footer, y=height - 1) for footer in footers)
        return (*(place for place in places if place not in footers), bar, *moved)

    def _other_places(self, width: int, height: int) -> tuple[Place, ...]:
        """The places without the time bar; without any panel, one for the message that says so."""
        places = arrange(width, height, self.absent, self.opened, limits_at(width, self.limits))
        if self.opened or not self.absent.issuperset(PANELS):
            return places
        top, rows = places[0].height, height - sum(bar.height for bar in places)
        return (*places, Place(EMPTY, 0, top, width, rows)) if rows > 0 else places


def limits_at(width: int, limits: RowLimits) -> RowLimits:
    """The limits in a window of this width. Where SCALARS is as wide as the window it has several columns,
    so that it needs fewer rows.
    """
    if not is_full_width(SCALARS, width):
        return limits
    columns = scalar_columns(inner_size(width, BOX_ROWS, boxed=True)[0])
    return tuple((panel, ceil(rows / columns) if panel == SCALARS else rows) for panel, rows in limits)


def screen_plan(view: View, options: ViewOptions) -> ScreenPlan:
    """The plan of a view with these options."""
    opened = options.opened is not None
    rows = content_rows(view.snapshot, options.measured)
    shown = panels_with_content(view.snapshot, options.measured)
    absent = options.hidden | (PANELS.keys() - shown)
    limits = tuple((panel, number) for panel, number in rows.items() if number)
    return ScreenPlan(absent, limits, opened, options.time_bar)


def placed_panels(plan: ScreenPlan, width: int, height: int) -> tuple[str, ...]:
    """The panels that have a place on the main screen in a window of this size, in selection order."""
    placed = {place.panel for place in plan.places(width, height)}
    return tuple(panel for panel in PANELS if panel in placed)


def draw(
    view: View,
    width: int,
    height: int,
    options: ViewOptions = ViewOptions(),  # noqa: B008
) -> tuple[tuple[Place, Rows], ...]:
    """All panels of a window of this size, each with its place."""
    old, places = is_old(view), screen_plan(view, options).places(width, height)
    return tuple((place, draw_place(view, place, old, options)) for place in places)


def frame_rows(
    view: View,
    width: int,
    height: int,
    options: ViewOptions = ViewOptions(),  # noqa: B008
) -> Rows:
    """The frame as full-width rows, without the footer and without blank rows at the end."""
    lines: list[list[tuple[int, Row]]] = [[] for _ in range(height)]
    for place, rows in draw(view, width, height, options):
        if place.panel == "footer":
            continue
        for y, row in enumerate(rows, place.y):
            lines[y].append((place.x, row))
    joined = [_joined(line) for line in lines]
    while joined and not plain(joined[-1]).strip():
        joined.pop()
    return tuple(joined)


def _joined(line: list[tuple[int, Row]]) -> Row:
    ordered = sorted(line, key=lambda part: part[0])
    return tuple(span for _, row in ordered for span in row)


def opened_keys(
    view: View, panel: str, width: int, height: int, toggled: frozenset[object] = frozenset()
) -> Sequence[object]:
    """The key of each entry of an opened panel, in a window of this size."""
    view = replace(view, toggled=toggled)
    places = [p for p in arrange(width, height, opened=True) if p.panel == OPENED]
    return next(
        (keys(view, panel, inner_size(p.width, p.height, p.boxed)[0]) for p in places), tuple[object, ...]()
    )


def opened_moment(view: View, panel: str, width: int, height: int, options: ViewOptions) -> Moment | None:
    """The moment of the entry at the cursor of an opened panel, in a window of this size."""
    view = replace(view, toggled=options.toggled)
    places = [p for p in arrange(width, height, opened=True) if p.panel == OPENED]
    inner = (inner_size(p.width, p.height, p.boxed)[0] for p in places)
    return next((moment_at(view, panel, w, options.cursor, options.cursor_key) for w in inner), None)


def opened_entry_at(view: View, width: int, height: int, options: ViewOptions, row: int) -> int | None:
    """The entry of the opened panel on a row of its place, borders included; None where there is none."""
    view, panel = replace(view, toggled=options.toggled), options.opened
    for place in screen_plan(view, options).places(width, height):
        if place.panel == OPENED and panel is not None:
            size = inner_size(place.width, place.height, place.boxed)
            _, extent = opened_list(view, panel, options.cursor, *size, options.cursor_key)
            return extent.entry_at(row - TOP_BORDER_ROWS)
    return None


def is_old(view: View) -> bool:
    """Whether the frame may be outdated, so that it is drawn faded."""
    return judge_feed(view.link, view.now_ns).state is ConnectionState.DISCONNECTED


def draw_place(view: View, place: Place, old: bool, options: ViewOptions) -> Rows:
    """Header, footer or one panel, exactly as large as its place."""
    if place.panel in BARS:
        return translated(BARS[place.panel](view, options, place.width, place.height), options.symbols)
    rows = _draw_panel(view, place, options)
    return translated(faded(rows) if old else rows, options.symbols)


def _draw_panel(view: View, place: Place, options: ViewOptions) -> Rows:
    opened = place.panel == OPENED
    panel = options.opened if opened and options.opened else place.panel
    title, note = _title(panel, view)
    if opened and panel in PANELS and panel not in panels_with_content(view.snapshot, options.measured):
        note = NOTHING_MEASURED
    style = FOCUSED_BORDER if options.selected == panel and not opened else PLAIN_BORDER
    size = (place.width, place.height, place.boxed)
    inner = inner_size(*size)
    try:
        content, cut = _content(view, panel, options, *inner)
    except Exception as error:  # A panel that fails must not take down the others.
        content, cut = (_failure(error),), ""
    seen: Row = (Span(cut, Tone.LABEL if opened else Tone.DIM),) if cut else ()
    words = fit_items(filter(None, (seen, note)), place.width) if opened else _beside(note, seen)
    return bordered(title, words, content, *size, style)


def _beside(note: Row, seen: Row) -> Row:
    """A note whose first items the border keeps, and behind them which part of the panel is in sight."""
    return (*note, Span("  "), *seen) if note and seen else note or seen


def _title(panel: str, view: View) -> tuple[str, Row]:
    if panel == RUNS:
        return RUNS_TITLE, ()
    definition = PANELS[panel]
    try:
        return definition.title, definition.note(view)
    except Exception as error:  # As above.
        return definition.title, _failure(error)


def _content(view: View, panel: str, options: ViewOptions, width: int, height: int) -> tuple[Rows, str]:
    """The rows of a panel, and which part of it they are if it does not fit."""
    if options.opened is not None:
        view = replace(view, toggled=options.toggled)
        rows, extent = opened_list(view, panel, options.cursor, width, height, options.cursor_key)
        return rows, extent.text
    return PANELS[panel].rows(view, width, height), cut_text(panel, view.snapshot, height, options.measured)


def _failure(error: Exception) -> Row:
    return (Span(clean(f"✗ This panel cannot be drawn: {error!r}"), Tone.CRITICAL),)
