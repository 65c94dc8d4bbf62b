"""RANKS: one row for each trainer process, marked if it delays the others, is behind, or is a duplicate."""

from collections.abc import Iterable
from math import inf, isfinite
from statistics import median

from esper_schemas.judgement import Health
from esper_schemas.rules.duplicate_ranks import duplicates
from esper_schemas.snapshot import RankState, SanctumSnapshot
from esper_tui.text.numbers import age, count, number
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, crop, left, right
from esper_tui.text.theme import alarm_mark
from esper_tui.view.stall_detection import stall_timeout_s

TITLE = "RANKS"
NO_TRAINER = "no trainer yet"
NAME_WIDTH = 16
COLUMNS = (("updates", 8), ("steps/s", 8), ("ms/update", 10), ("silent", 10))
SLOW_SHARE = 0.8
"""A rank whose typical rollouts run at less than this share of the others' speed delays them."""
STRAGGLER = Span("~", Tone.WARNING)
"""The mark of a rank that is slower or behind, which is not a fault of the training."""
UPDATES_BEHIND = 2
"""Ranks that wait for each other are never this far apart; one update is only a matter of arrival order."""


def ranks_rows(snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """Titles and ranks; if not all fit, the marked ones come first."""
    ranks = snapshot.ranks
    if not ranks:
        return ((Span(NO_TRAINER, Tone.DIM),),)[:height]
    marks = {rank.producer: STRAGGLER for rank in stragglers(snapshot)}
    marks |= {rank.producer: alarm_mark(Health.CRITICAL) for rank in _duplicates(snapshot)}
    rows = [_row(rank, snapshot, marks.get(rank.producer), width) for rank in ranks]
    if len(rows) > max(height - 1, 1):
        rows.sort(key=lambda row: row[0].text == " ")
    return (_titles(width), *rows)[: max(height, 0)] if height > 1 else tuple(rows[: max(height, 0)])


def ranks_note(snapshot: SanctumSnapshot) -> Row:
    """For the border: how many of the ranks are present, and whether processes share one."""
    present, world = len({rank.rank for rank in snapshot.ranks}), snapshot.run.world_size
    if not present:
        return ()
    shown = Span(f"{present} of {count(world)}", Tone.DIM if present >= world else Tone.WARNING)
    shared = sum(rank.processes for rank in _duplicates(snapshot))
    return (shown, *((Span(f", {count(shared)} processes share a rank", Tone.CRITICAL),) if shared else ()))


def stragglers(snapshot: SanctumSnapshot) -> tuple[RankState, ...]:
    """The ranks that are updates behind the others, silent while the others are not, or clearly slower."""
    ranks = _training(snapshot)
    newest = max((rank.last_update for rank in ranks), default=0)
    newest_ns = max((rank.last_event_ns or 0 for rank in ranks), default=0)
    timeout_s, slow_ms = stall_timeout_s(snapshot), _typical_ms(ranks) / SLOW_SHARE
    return tuple(
        rank
        for rank in ranks
        if newest - rank.last_update >= UPDATES_BEHIND
        or _is_silent(rank, newest_ns, timeout_s)
        or _is_slow(rank, slow_ms)
    )


def _duplicates(snapshot: SanctumSnapshot) -> list[RankState]:
    """The processes that train as the same rank as another one."""
    return [rank for group in duplicates(snapshot.ranks).values() for rank in group]


def _training(snapshot: SanctumSnapshot) -> list[RankState]:
    """The ranks that have not ended. With several ranks, a rank that continues under another name is one."""
    ranks = sorted(snapshot.ranks, key=lambda rank: rank.last_event_ns or 0)
    if snapshot.run.world_size > 1:
        ranks = list({rank.rank: rank for rank in ranks}.values())
    return [rank for rank in ranks if rank.outcome is None]


def _is_silent(rank: RankState, newest_ns: int, timeout_s: float | None) -> bool:
    """Whether the others have continued for longer than an update may take since this one's last event."""
    own_ns = rank.last_event_ns
    return timeout_s is not None and own_ns is not None and (newest_ns - own_ns) / 1e9 > timeout_s


def _is_slow(rank: RankState, slow_ms: float) -> bool:
    """Whether its rollouts are slow; its updates take as long as the others', as those wait for it."""
    return rank.median_rollout_ms is not None and rank.median_rollout_ms > slow_ms


def _typical_ms(ranks: Iterable[RankState]) -> float:
    """The median rollout time of all but the slowest rank; infinite if there are no others."""
    times = [rank.median_rollout_ms for rank in ranks]
    known = sorted(ms for ms in times if ms is not None and isfinite(ms))
    return median(known[:-1]) if len(known) > 1 else inf


def _titles(width: int) -> Row:
    names = (right(title, column, Tone.LABEL) for title, column in COLUMNS)
    return (Span(" " * (_name_width(width) + 2)), *names)


def _name_width(width: int) -> int:
    taken = sum(column for _, column in COLUMNS) + 2
    return min(max(width - taken, 4), 30)


def _row(rank: RankState, snapshot: SanctumSnapshot, mark: Span | None, width: int) -> Row:
    mark = mark or Span(" ", Tone.VALUE)
    tone = mark.tone
    name = crop(f"{rank.rank} {clean(rank.producer)}", _name_width(width))
    values = (
        right(count(rank.updates), 8, tone),
        right(number(rank.steps_per_second, 0, 7), 8, Tone.VALUE),
        right(number(rank.update_time_ms, 1, 9), 10, Tone.VALUE),
        _silence(rank, snapshot),
    )
    return (mark, Span(" "), left(name, _name_width(width), Tone.LABEL), *values)


def _silence(rank: RankState, snapshot: SanctumSnapshot) -> Span:
    """The time from this rank's last event to the run's last event, or the outcome if it has ended."""
    if rank.outcome is not None:
        return right(crop(clean(rank.outcome), 9), 10, Tone.DIM)
    last, own = snapshot.run.last_event_ns, rank.last_event_ns
    return right("–" if last is None or own is None else age((last - own) / 1e9), 10, Tone.DIM)
