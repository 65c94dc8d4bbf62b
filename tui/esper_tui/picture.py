"""The whole screen as rows of text: the one place where panels, frames and layout meet."""

from collections.abc import Callable
from dataclasses import dataclass

from esper_schemas.snapshot import SanctumSnapshot
from esper_tui import events, heads, losses
from esper_tui.footer import footer_rows
from esper_tui.frame import framed, inside
from esper_tui.header import header_rows
from esper_tui.layout import Place, arrange
from esper_tui.rows import Row, Rows, Span, Tone, clean, faded
from esper_tui.status import State, judge_feed
from esper_tui.view import View


@dataclass(frozen=True, slots=True)
class PanelKind:
    """A panel's title, its content for a size, and the note in its frame."""

    title: str
    rows: Callable[[SanctumSnapshot, int, int], Rows]
    note: Callable[[SanctumSnapshot], Row] = lambda _: ()


BARS: dict[str, Callable[[View, int, int], Rows]] = {"header": header_rows, "footer": footer_rows}
"""What depends on the moment as well as on the snapshot."""

PANELS: dict[str, PanelKind] = {
    "losses": PanelKind(losses.TITLE, losses.losses_rows, losses.losses_note),
    "heads": PanelKind(heads.TITLE, heads.heads_rows),
    "events": PanelKind(events.TITLE, events.events_rows, events.events_note),
}
"""What depends on the snapshot alone."""


def draw(view: View, width: int, height: int) -> tuple[tuple[Place, Rows], ...]:
    """Every panel of a window of this size, with its place."""
    old = is_old(view)
    return tuple(
        (place, draw_bar(view, place) if place.panel in BARS else draw_panel(view, place, old))
        for place in arrange(width, height)
    )


def is_old(view: View) -> bool:
    """Whether the picture may no longer be what is happening, so that it is drawn faded."""
    return judge_feed(view.link, view.now_ns).state is State.DISCONNECTED


def draw_bar(view: View, place: Place) -> Rows:
    """The header or the footer."""
    return BARS[place.panel](view, place.width, place.height)


def draw_panel(view: View, place: Place, old: bool) -> Rows:
    """One framed panel, exactly as large as its place."""
    kind, snapshot = PANELS[place.panel], view.snapshot
    size = (place.width, place.height, place.boxed)
    try:
        content, note = kind.rows(snapshot, *inside(*size)), kind.note(snapshot)
    except Exception as error:  # One panel that fails must not take the cockpit with it.
        content, note = (_failure(error),), ()
    rows = framed(kind.title, note, content, *size)
    return faded(rows) if old else rows


def _failure(error: Exception) -> Row:
    return (Span(clean(f"✗ This panel cannot be drawn: {error!r}"), Tone.CRITICAL),)
