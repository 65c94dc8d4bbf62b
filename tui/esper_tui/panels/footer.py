"""The bottom row: the keys, and the source of the snapshots."""

from esper_tui.control.commands import COMMANDS, FooterOn
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, crop, fit, fit_items, justified, row_width
from esper_tui.view.view import View, ViewOptions


def footer_rows(view: View, options: ViewOptions, width: int, height: int) -> Rows:
    """The keys of this screen at the left, the source at the right."""
    here = FooterOn.MAIN if options.opened is None else FooterOn.OPENED
    shown = [c for c in COMMANDS if c.label and c.footer in (here, FooterOn.ALL)]
    keys = fit_items([_key(c.key, c.label) for c in shown], width - 2, gap=2)
    room = width - row_width(keys) - 4
    origin = (Span(crop(clean(view.link.origin), room), Tone.DIM),) if room >= 12 else ()
    return (fit((Span(" "), *justified(keys, origin, width - 2)), width),)[:height]


def _key(key: str, label: str) -> Row:
    return (Span(key, Tone.KEY), Span(f" {label}", Tone.LABEL))
