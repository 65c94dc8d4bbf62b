"""The bottom row: the keys, and where the picture comes from."""

from esper_tui.commands import COMMANDS
from esper_tui.rows import Row, Rows, Span, Tone, between, clean, crop, fit, flow
from esper_tui.view import View


def footer_rows(view: View, width: int, height: int) -> Rows:
    """Keys at the left, the source at the right."""
    keys = flow([_key(c.key, c.label) for c in COMMANDS if c.label], width - 2, gap=3)
    origin = (Span(crop(clean(view.link.origin), max(width - 50, 0)), Tone.DIM),)
    return (fit((Span(" "), *between(keys, origin, width - 2)), width),)[:height]


def _key(key: str, label: str) -> Row:
    return (Span(key, Tone.KEY), Span(f" {label}", Tone.LABEL))
