"""The bottom row: the keys, and where the picture comes from."""

from esper_tui.control.commands import COMMANDS, Where
from esper_tui.text.spans import Row, Rows, Span, Tone, between, clean, crop, fit, flow, row_width
from esper_tui.view.view import Look, View


def footer_rows(view: View, look: Look, width: int, height: int) -> Rows:
    """The keys of this screen at the left, the source at the right."""
    here = Where.COCKPIT if look.opened is None else Where.OPENED
    shown = [c for c in COMMANDS if c.label and c.where in (here, Where.ANYWHERE)]
    keys = flow([_key(c.key, c.label) for c in shown], width - 2, gap=2)
    room = width - row_width(keys) - 4
    origin = (Span(crop(clean(view.link.origin), room), Tone.DIM),) if room >= 12 else ()
    return (fit((Span(" "), *between(keys, origin, width - 2)), width),)[:height]


def _key(key: str, label: str) -> Row:
    return (Span(key, Tone.KEY), Span(f" {label}", Tone.LABEL))
