"""The whole screen as rows of text: the one place where panels, frames and layout meet."""

from collections.abc import Callable

from esper_tui.control.commands import key_of
from esper_tui.grid.arrangement import OPENED, Place, arrange
from esper_tui.grid.border import FOCUSED_BORDER, PLAIN_BORDER, bordered, inner_size
from esper_tui.pages.opened_panel import keys, opened_rows
from esper_tui.pages.page import wrapped
from esper_tui.panels.footer import footer_rows
from esper_tui.panels.header import header_rows
from esper_tui.panels.panel_registry import PANELS
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, faded, fit
from esper_tui.text.symbols import translated
from esper_tui.view.connection_status import ConnectionState, judge_feed
from esper_tui.view.view import View, ViewOptions


def _said(text: str, width: int, height: int) -> Rows:
    """A text on an otherwise empty place."""
    rows = ((), *wrapped(text, width - 2, Tone.DIM), *((),) * height)[:height]
    return tuple(fit((Span(" "), *row), width) for row in rows)


EMPTY = "empty"
ALL_HIDDEN = f"Every panel is hidden; {key_of('show_all')} shows them all again."

BARS: dict[str, Callable[[View, ViewOptions, int, int], Rows]] = {
    "header": lambda view, options, width, height: header_rows(view, width, height),
    "footer": footer_rows,
    EMPTY: lambda view, options, width, height: _said(ALL_HIDDEN, width, height),
}
"""What has no frame."""

RUNS = "runs"
RUNS_TITLE = "RUNS"


def places_for(width: int, height: int, options: ViewOptions) -> tuple[Place, ...]:
    """Where everything stands in a window of this size; where all panels are hidden, a word about it."""
    places = arrange(width, height, options.hidden, options.opened is not None)
    if options.opened is not None or not options.hidden.issuperset(PANELS):
        return places
    top, rows = places[0].height, height - sum(bar.height for bar in places)
    return (*places, Place(EMPTY, 0, top, width, rows)) if rows > 0 else places


def drawn_panels(width: int, height: int, options: ViewOptions) -> tuple[str, ...]:
    """The panels of the cockpit that have a place in a window of this size, in the focus's order."""
    drawn = {place.panel for place in arrange(width, height, options.hidden)}
    return tuple(panel for panel in PANELS if panel in drawn)


def draw(
    view: View,
    width: int,
    height: int,
    options: ViewOptions = ViewOptions(),  # noqa: B008
) -> tuple[tuple[Place, Rows], ...]:
    """Every panel of a window of this size, with its place."""
    old = is_old(view)
    return tuple(
        (place, draw_place(view, place, old, options)) for place in places_for(width, height, options)
    )


def opened_keys(view: View, panel: str, width: int, height: int) -> list[object]:
    """What each entry of an opened panel is known by, in a window of this size."""
    places = [p for p in arrange(width, height, opened=True) if p.panel == OPENED]
    return [key for p in places for key in keys(view, panel, inner_size(p.width, p.height, p.boxed)[0])]


def is_old(view: View) -> bool:
    """Whether the picture may no longer be what is happening, so that it is drawn faded."""
    return judge_feed(view.link, view.now_ns).state is ConnectionState.DISCONNECTED


def draw_place(view: View, place: Place, old: bool, options: ViewOptions) -> Rows:
    """Header, footer or one panel, exactly as large as its place."""
    if place.panel in BARS:
        return translated(BARS[place.panel](view, options, place.width, place.height), options.symbols)
    rows = _framed(view, place, options)
    return translated(faded(rows) if old else rows, options.symbols)


def _framed(view: View, place: Place, options: ViewOptions) -> Rows:
    opened = place.panel == OPENED
    panel = options.opened if opened and options.opened else place.panel
    title, note = _title(panel, view)
    edge = FOCUSED_BORDER if options.focus == panel and not opened else PLAIN_BORDER
    size = (place.width, place.height, place.boxed)
    try:
        content = _content(view, panel, options, *inner_size(*size))
    except Exception as error:  # One panel that fails must not take the cockpit with it.
        content = (_failure(error),)
    return bordered(title, note, content, *size, edge)


def _title(panel: str, view: View) -> tuple[str, Row]:
    if panel == RUNS:
        return RUNS_TITLE, ()
    kind = PANELS[panel]
    try:
        return kind.title, kind.note(view)
    except Exception as error:  # As above.
        return kind.title, _failure(error)


def _content(view: View, panel: str, options: ViewOptions, width: int, height: int) -> Rows:
    if options.opened is not None:
        return opened_rows(view, panel, options.cursor, width, height, options.held)
    return PANELS[panel].rows(view, width, height)


def _failure(error: Exception) -> Row:
    return (Span(clean(f"✗ This panel cannot be drawn: {error!r}"), Tone.CRITICAL),)
