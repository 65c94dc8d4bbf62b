"""The time bar: the whole run as a line, with the playhead, the marks and the gaps."""

from collections.abc import Iterator
from functools import lru_cache

from esper_schemas.history import Mark
from esper_tui.past.past import Past, RunMarks
from esper_tui.past.playhead import Playhead
from esper_tui.text.numbers import age, count, number, time_of_day
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, crop, fit, fit_items, justified, merged
from esper_tui.view.view import View

ROWS, ONE_ROW_BELOW, NONE_BELOW = 3, 12, 4
"""The height of the bar, and the heights of windows below which it is one row, and none."""
PLAYED, TO_COME, GAP, HEAD = "━", "─", "┊", "█"
MARK_SYMBOLS: dict[str, tuple[str, Tone]] = {
    "critical": ("✗", Tone.CRITICAL),
    "warning": ("!", Tone.WARNING),
    "rank_lost": ("✗", Tone.CRITICAL),
    "notice": ("·", Tone.LABEL),
    "restart": ("↑", Tone.VALUE),
    "note": ("▸", Tone.KEY),
    "checkpoint": ("•", Tone.DIM),
}
"""The symbol of each severity, and of the kinds of marks that have one of their own; of several marks in one
cell the first of these is shown.
"""
_ORDER = tuple(MARK_SYMBOLS)


def time_bar_height(height: int) -> int:
    """The rows that the time bar takes in a window of this height."""
    return 0 if height < NONE_BELOW else 1 if height < ONE_ROW_BELOW else ROWS


def time_bar_rows(view: View, width: int, height: int) -> Rows:
    """Where the viewer is, the line, and the marks below it; in one row the line alone."""
    past = view.past or Past(Playhead(last=view.snapshot.tamiyo.last_update))
    first, last = count(past.playhead.first), count(past.playhead.last)
    cells = max(width - len(first) - len(last) - 4, 1)
    line = (Span(f" {first} ", Tone.LABEL), *_line(past.playhead, cells), Span(f" {last}", Tone.LABEL))
    marks = (Span(" " * (len(first) + 2)), *_mark_row(past, cells))
    rows = [(Span(" "), *_words(past, width - 2)), line, marks] if height >= ROWS else [line]
    return tuple(fit(row, width) for row in rows)


def cell_of(playhead: Playhead, update: int, cells: int) -> int:
    """The cell of an update on a line of `cells`; the last one is that of the last update."""
    length = max(playhead.last - playhead.first, 1)
    return min(max((update - playhead.first) * (cells - 1) // length, 0), cells - 1)


def _line(playhead: Playhead, cells: int) -> Row:
    """The line: played up to the playhead, with gaps, and dotted where the log lacks updates."""
    head = cell_of(playhead, playhead.update, cells)
    tones = [Span(PLAYED, Tone.VALUE) if cell < head else Span(TO_COME, Tone.DIM) for cell in range(cells)]
    for after, until in playhead.missing:
        for cell in range(cell_of(playhead, after, cells) + 1, cell_of(playhead, until, cells) + 1):
            tones[cell] = Span("·", Tone.DIM)
    for gap in playhead.timeline.gaps:
        tones[cell_of(playhead, gap.before, cells)] = Span(GAP, Tone.LABEL)
    tones[head] = Span(HEAD, Tone.GOOD if playhead.position is None else Tone.WARNING)
    return merged(tuple(tones))


def _mark_row(past: Past, cells: int) -> Row:
    """The most important mark of every cell."""
    found = _kinds(past.marks, past.playhead.first, past.playhead.last, cells)
    blank = (" ", Tone.PLAIN)
    return merged(tuple(Span(*MARK_SYMBOLS.get(found.get(cell, ""), blank)) for cell in range(cells)))


@lru_cache(maxsize=4)  # There may be thousands of marks, and the bar is drawn many times a second.
def _kinds(marks: RunMarks, first: int, last: int, cells: int) -> dict[int, str]:
    """The most important kind of mark in each cell that has one."""
    run, found = Playhead(first=first, last=last), dict[int, str]()
    for mark in marks.marks:
        if mark.place.update is not None:
            cell, kind = cell_of(run, mark.place.update, cells), _kind(mark)
            found[cell] = min(found.get(cell, kind), kind, key=_ORDER.index)
    return found


def _kind(mark: Mark) -> str:
    kind = mark.kind if mark.kind in MARK_SYMBOLS else mark.severity
    return kind or "notice"


def _words(past: Past, width: int) -> Row:
    """How it plays, where it is, what is marked there, and at the right the next marks."""
    left = fit_items(_where(past), width, 3)
    return justified(left, fit_items(_next_marks(past), max(width - 20, 0), 3), width)


def _where(past: Past) -> Iterator[Row]:
    playhead = past.playhead
    speed = f"{number(playhead.speed, 2, 6).rstrip('0').rstrip('.')}×"
    yield (Span(f"▶ {speed}", Tone.WARNING),) if playhead.playing else (Span(f"▮▮ {speed}", Tone.DIM),)
    if past.place is None:
        yield (Span("the present", Tone.GOOD),)
        return
    words = f"update {count(playhead.update)}"
    yield (Span(words, Tone.WARNING), Span(" is being fetched" if past.awaited else "", Tone.DIM))
    if past.place.time_ns is not None and not past.awaited:
        yield (Span(time_of_day(past.place.time_ns), Tone.LABEL),)
    for gap in playhead.timeline.gaps:
        if gap.before == playhead.update:
            yield (Span(f"after a gap of {age(gap.seconds)}", Tone.LABEL),)
    for mark in past.marks_here:
        symbol, tone = MARK_SYMBOLS[_kind(mark)]
        yield (Span(f"{symbol} {crop(clean(mark.title), 60)}", tone),)


def _next_marks(past: Past) -> Iterator[Row]:
    for direction, sign in ((-1, "<"), (1, ">")):
        update = past.playhead.next_mark(direction)
        if update is not None:
            yield (Span(sign, Tone.KEY), Span(f" {count(update)}", Tone.LABEL))
