"""The header: connection, verdict, run, progress, speed, return, and problems of the link."""

from collections.abc import Iterator, Sequence

from esper_schemas.findings import VerdictWord
from esper_schemas.snapshot import LinkHealth, SanctumSnapshot
from esper_schemas.source import Feed
from esper_schemas.verdict import verdict_of
from esper_tui.charts.sparkline import sparkline
from esper_tui.metrics.alarms import return_alarm
from esper_tui.past.past import Past
from esper_tui.text.numbers import age, count, counted, date, number, time_of_day
from esper_tui.text.spans import (
    Row,
    Rows,
    Span,
    Tone,
    clean,
    crop,
    fit,
    fit_items,
    justified,
    plain,
    row_width,
)
from esper_tui.text.theme import ALARM_TONES
from esper_tui.view.connection_status import SYMBOLS, ConnectionState, Status, judge_feed
from esper_tui.view.run_progress import elapsed_s, remaining_s, updates_text
from esper_tui.view.view import View

PAST = "◀ past"
"""The word for the state of a screen that shows an earlier update."""
NAME_WIDTH = 40
RETURN_PRECISION = 3
VERDICT_TONES: dict[VerdictWord, Tone] = {
    VerdictWord.NO_DATA: Tone.DIM,
    VerdictWord.HEALTHY: Tone.GOOD,
    VerdictWord.CONVERGED: Tone.GOOD,
    VerdictWord.SUSPICIOUS: Tone.WARNING,
    VerdictWord.CRITICAL: Tone.CRITICAL,
}
_ONSET_TONES = {"critical": Tone.CRITICAL, "warning": Tone.WARNING}
GAP = 2
"""Cells between two parts of the second row."""
LEAST_MESSAGE, LEAST_WITH_RETURN = 20, 34
"""The least width of a message beside the return, and of a single row in which the return has a place."""
UNUSUAL_LAG_MS = 100.0
"""A lower lag, which LINK shows, leaves its place to the curve of the return."""
LEAST_CURVE, CURVE_WIDTH = 5, 40
"""The least and the greatest width of the curve of the mean return."""


def header_rows(view: View, width: int, height: int) -> Rows:
    """One row (state and progress) or two (also a message, the return and the link)."""
    status = judge_feed(view.link, view.now_ns)
    first = _first(view, status, width - 2, with_return=height == 1)
    rows = [first, _second(view, status, width - 2)][:height]
    return tuple(fit((Span(" "), *row), width) for row in rows)


def _first(view: View, status: Status, width: int, with_return: bool) -> Row:
    """The state, the verdict, the progress, and as much of the run's name as fits.

    Where it is the only row it also has the return, for which the labels are left out if necessary.
    """
    start = _start(view, status, width, dated=not with_return)
    if with_return:
        start = _beside_return(view, status, width) or start
    room = width - row_width(start) - 1
    progress = _with_return(view, status, room) if with_return else ()
    progress = progress or fit_items(_progress(view), room, gap=3)
    room = min(width - row_width(start) - row_width(progress) - 4, NAME_WIDTH)
    name = clean(view.snapshot.run.run)
    if name and room >= 4:
        start = (*start, Span("  "), Span(crop(name, room), Tone.TITLE))
    return justified(start, progress, width)


def _beside_return(view: View, status: Status, width: int) -> Row:
    """The start of a row that leaves room for the number of the return; nothing if it would lack the reason
    of the verdict.
    """
    value = _taken(_return_alone(view.snapshot)[-1:])
    start = _start(view, status, width - value, dated=False) if width >= LEAST_WITH_RETURN else ()
    return start if clean(verdict_of(view.snapshot).reason) in plain(start) else ()


def _start(view: View, status: Status, width: int, *, dated: bool) -> Row:
    """State, pause and verdict, as much of them as fits.

    A verdict with a reason is kept longest, beside the symbol of the state. Any other one is left out before
    the word of the state is.
    """
    states = list(zip(_states(view, status, dated), _pauses(view), strict=True))
    if view.past is not None and view.is_past:
        states = [(state, ()) for state in _past_states(view.past, status)]
    verdicts = list(_onsets(view)) or list(_verdicts(view.snapshot))
    beside = states if len(verdicts) > 1 else states[:2]
    rows = [(*state, verdict) for verdict in verdicts for state in beside]
    rows += [(*state, ()) for state in states]
    fitting = (fit_items(filter(None, row), width) for row in rows if _items_width(row) <= width)
    return next(fitting, fit(states[-1][0], width))


def _onsets(view: View) -> Iterator[Row]:
    """That a finding begins at the past update that is shown, of which the verdict of then knows nothing."""
    word = verdict_of(view.snapshot).word
    later = view.past.recognised_later if view.past and view.is_past else ()
    if later and word in (VerdictWord.HEALTHY, VerdictWord.CONVERGED, VerdictWord.NO_DATA):
        onset = Span("ONSET", _ONSET_TONES.get(later[0].severity or "", Tone.PLAIN))
        yield (onset, Span(" of a finding, recognised later"))
        yield (onset, Span(", recognised later"))
        yield (onset,)


def _verdicts(snapshot: SanctumSnapshot) -> Iterator[Row]:
    """The verdict with its reason and since when, without the latter, and alone."""
    verdict = verdict_of(snapshot)
    word = Span(verdict.word.value, VERDICT_TONES[verdict.word])
    since = "" if verdict.since_update is None else f" since {count(verdict.since_update)}"
    reason = f" {clean(verdict.reason)}" if verdict.reason else ""
    if since:
        yield (word, Span(reason), Span(since, Tone.LABEL))
    if reason:
        yield (word, Span(reason))
    yield (word,)


def _with_return(view: View, status: Status, width: int) -> Row:
    """The progress with the return behind it, as much of both as fits; nothing without a return."""
    done, *speed = (*_progress(view), ())
    mean = _return_alone(view.snapshot)
    if not mean:
        return ()
    updates, value, rest = done[-1:], mean[-1:], [*reversed(_times(view, status)), *speed]
    choices = ([done, mean, *rest], [updates, mean, *rest], [updates, value], [mean], [value])
    rows = ([item for item in choice if item] for choice in choices)
    fitting = (choice for choice in rows if _items_width(choice[:2]) <= width)
    return fit_items(next(fitting, []), width, gap=2)


def _items_width(items: Sequence[Row]) -> int:
    widths = [row_width(item) for item in items if item]
    return sum(widths) + 2 * (len(widths) - 1)


def _states(view: View, status: Status, dated: bool) -> Iterator[Row]:
    """The state with its age or, if it is recorded and `dated`, its date; without it; and its symbol alone,
    twice.
    """
    symbol, tone, _ = SYMBOLS[status.state]
    word = Span(f"{symbol} {status.state.value.upper()}", tone)
    last_ns = view.link.snapshot.run.last_event_ns
    if status.silent_s is not None:
        yield (word, Span(f" {age(status.silent_s):<3}", Tone.DIM))
    else:
        is_dated = dated and not view.link.live and last_ns is not None
        yield (word, Span(f" {date(last_ns or 0)}", Tone.DIM)) if is_dated else (word,)
    yield (word,)
    yield (Span(symbol, tone),)
    yield (Span(symbol, tone),)


def _past_states(past: Past, status: Status) -> Iterator[Row]:
    """That this is the past, and how far the present is ahead, in the widths of the states."""
    tone = SYMBOLS[status.state][1]
    live = "end" if status.state is ConnectionState.REPLAY else status.state.value
    word, ahead = Span(PAST.upper(), Tone.WARNING), f"+{count(past.updates_behind)}"
    yield (word, Span(f"  {live}: {ahead:<4}", tone))
    yield (word, Span(f"  {live}: {ahead}", tone))
    yield (word, Span(f" {ahead}", tone))
    yield (word,)


def _pauses(view: View) -> Iterator[Row]:
    """How far a paused screen is behind, in the widths that go with those of the state."""
    if view.newest is None:
        yield from ((), (), (), ())
        return
    words = f" PAUSED, {counted(view.updates_behind, 'update')} behind"
    for text in (words, " PAUSED", " PAUSED", ""):
        yield (Span(f"▮▮{text}", Tone.WARNING),)


def _progress(view: View) -> Iterator[Row]:
    """The updates, or else the steps, and the speed of a run that has not ended."""
    updates, run = updates_text(view.snapshot), view.snapshot.run
    if updates:
        yield Span("update ", Tone.LABEL), Span(updates)
    elif run.last_step is not None:
        yield Span("step ", Tone.LABEL), Span(count(run.last_step))
    if run.steps_per_second is not None and view.link.live and view.link.snapshot.run.outcome is None:
        speed = number(run.steps_per_second, 0, 6)
        yield Span(f"{speed:>6}"), Span(" steps/s", Tone.LABEL)


def _times(view: View, status: Status) -> list[Row]:
    """The time since the start, and while updates are made the time that the rest will take. The sentence
    about the end of a run has its time.
    """
    if view.snapshot.run.outcome is not None:
        return []
    elapsed, remaining = elapsed_s(view), remaining_s(view)
    times: list[Row] = []
    if elapsed is not None:
        times.append((Span("elapsed ", Tone.LABEL), Span(age(elapsed))))
    if remaining is not None and status.state is ConnectionState.LIVE:
        times.append((Span("ETA ", Tone.LABEL), Span(age(remaining))))
    return times


def _second(view: View, status: Status, width: int) -> Row:
    """Message, return, times and link. The worst problem of the link always has a place, and so has the mean
    return unless the message would be cut too much; then the message is placed, then what the return is
    compared with. The rest of the link, the times and the curve of the return share what is left.
    """
    link = view.link.snapshot.link
    alarms = list(_alarms(link))
    kept = row_width(alarms[0]) + GAP if alarms else 0
    if alarms and kept > width:
        return fit(alarms[0], width)
    alone = _taken(_return_alone(view.snapshot))
    room = width - kept - alone
    message = _message(view, status, room if room >= LEAST_MESSAGE else width - kept)
    returns = _returns(view.snapshot, width - kept - _taken(message))
    left_over = width - _taken(message) - _taken(returns)
    items = fit_items([*alarms, *_times(view, status), *_notes(view.link)], min(left_over, width - 1), GAP)
    returns = _with_curve(returns, view.snapshot, left_over - _taken(items))
    if not message:
        return justified(returns, items, width)
    return justified(message, fit_items((row for row in (returns, items) if row), width, GAP), width)


def _taken(row: Row) -> int:
    """The width of a part, including the gap to the next one."""
    return row_width(row) + GAP if row else 0


def _message(view: View, status: Status, width: int) -> Row:
    if view.past is not None and view.is_past:
        return (Span(crop(_past_sentence(view.past), width), Tone.WARNING),)
    text = crop(status.sentence, width)
    return (Span(text, _message_tone(view, status)),) if text else ()


def _past_sentence(past: Past) -> str:
    """The update and the time that are shown, and what is marked there."""
    if past.awaited:
        return f"Fetching update {count(past.playhead.update)} …"
    update = past.place.update if past.place else None
    at_ns = past.place.time_ns if past.place else None
    where = "Before the first update" if update is None else f"Update {count(update)}"
    time = "" if at_ns is None else f" at {time_of_day(at_ns)}"
    marks = "".join(f"; {clean(mark.title)}" for mark in past.marks_here[:2])
    return f"{where}{time}{marks}"


def _message_tone(view: View, status: Status) -> Tone:
    if view.link.problem or status.state in (
        ConnectionState.STALLED,
        ConnectionState.STALE,
        ConnectionState.DISCONNECTED,
    ):
        return Tone.CRITICAL if status.state is ConnectionState.DISCONNECTED else Tone.WARNING
    return Tone.LABEL if view.link.snapshot.run.outcome != "failed" else Tone.CRITICAL


def _with_curve(returns: Row, snapshot: SanctumSnapshot, room: int) -> Row:
    """The return, followed by its curve if there is room."""
    room = min(room, CURVE_WIDTH)
    curve = snapshot.run.mean_return_history[-room:] if room >= LEAST_CURVE else ()
    if not returns or len(curve) < 2:
        return returns
    return (*returns, Span(" " * GAP), *sparkline(curve, len(curve), Tone.VALUE))


def _return_alone(snapshot: SanctumSnapshot) -> Row:
    """The mean return without what it is compared with."""
    return _returns(snapshot, len("return -000.000"))


def _returns(snapshot: SanctumSnapshot, width: int) -> Row:
    """The mean return, that of always choosing WAIT and the signed difference, or the first alone."""
    mean, baseline = snapshot.run.mean_return, snapshot.run.baseline_return
    if mean is None:
        return ()
    shade = ALARM_TONES.get(return_alarm(snapshot), Tone.PLAIN)
    row: Row = (Span("return ", Tone.LABEL), Span(number(mean, RETURN_PRECISION, 7), shade))
    compared = row if baseline is None else (*row, *_compared(mean, baseline))
    return next((choice for choice in (compared, row) if row_width(choice) <= width), ())


def _compared(mean: float, baseline: float) -> Row:
    gain = mean - baseline
    sign, tone = ("+", Tone.GOOD) if gain > 0 else ("", Tone.PLAIN)
    waiting = Span(number(baseline, RETURN_PRECISION, 7))
    difference = Span(sign + number(gain, RETURN_PRECISION, 7), tone)
    return (Span("  WAIT ", Tone.LABEL), waiting, Span("  "), difference)


def _alarms(link: LinkHealth) -> Iterator[Row]:
    """The problems of the link, worst first; none if all counts are zero."""
    for value, word in (
        (link.dropped, "dropped"),
        (link.gaps, "gaps"),
        (link.rejected, "rejected"),
        (link.unknown, "unknown"),
        (link.duplicate_producers, "duplicate names" if link.duplicate_producers > 1 else "duplicate name"),
    ):
        if value:
            yield (Span(f"! {count(value)} {word}", Tone.WARNING),)


def _notes(feed: Feed) -> Iterator[Row]:
    """What is not a problem: repeated events, and an unusual lag of a run that has not ended."""
    link, run = feed.snapshot.link, feed.snapshot.run
    if link.duplicates:
        yield (Span(f"{count(link.duplicates)} repeated", Tone.DIM),)
    if (link.lag_ms or 0.0) >= UNUSUAL_LAG_MS and feed.live and run.outcome is None:
        yield (Span(f"lag {number(link.lag_ms, 0, 5)} ms", Tone.DIM),)
