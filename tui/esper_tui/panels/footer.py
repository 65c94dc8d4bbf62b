"""The bottom row: the keys, and the source of the snapshots."""

from collections.abc import Iterator

from esper_tui.control.chart_commands import CHART_COMMANDS
from esper_tui.control.commands import COMMANDS, FooterOn, key_of
from esper_tui.text.numbers import count
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, crop, fit, fit_items, justified, row_width
from esper_tui.view.view import View, ViewOptions

NAME_WIDTH = 24
"""The greatest width of the name of a new run."""


def footer_rows(view: View, options: ViewOptions, width: int, height: int) -> Rows:
    """New runs and the keys of this screen at the left, the source at the right."""
    shown = [c for c in COMMANDS if c.label and c.footer in _footers(options)]
    keys = fit_items([*_new_runs(view), *(_key(c.key, c.label) for c in shown)], width - 2, gap=2)
    room = width - row_width(keys) - 4
    origin = (Span(crop(clean(view.link.origin), room), Tone.DIM),) if room >= 12 else ()
    return (fit((Span(" "), *justified(keys, origin, width - 2)), width),)[:height]


def _footers(options: ViewOptions) -> tuple[FooterOn, ...]:
    """The commands that are listed; beside the time bar, those that move in it alone."""
    if options.opened is not None:
        return FooterOn.OPENED, FooterOn.ALL
    return (FooterOn.TIME_BAR,) if options.time_bar else (FooterOn.MAIN, FooterOn.ALL)


def chart_footer(width: int) -> Rows:
    """The keys of the chart screen."""
    keys = fit_items([_key(c.key, c.label) for c in CHART_COMMANDS if c.label], width - 2, gap=2)
    return (fit((Span(" "), *keys), width),)


def _new_runs(view: View) -> Iterator[Row]:
    """The newest run that has begun since the screen chose one, and how many others have."""
    new = view.link.new_runs
    if new:
        others = f" and {count(len(new) - 1)} more" if len(new) > 1 else ""
        words = f" new run {crop(clean(new[0]), NAME_WIDTH)}{others}"
        yield (Span(key_of("next_run"), Tone.KEY), Span(words, Tone.WARNING))


def _key(key: str, label: str) -> Row:
    return (Span(key, Tone.KEY), Span(f" {label}", Tone.LABEL))
