"""RANKS: one row for each trainer process, the one that the others wait for marked."""

from esper_schemas.snapshot import RankState, SanctumSnapshot
from esper_tui.numbers import age, count, number
from esper_tui.rows import Row, Rows, Span, Tone, clean, crop, left, right

TITLE = "RANKS"
NOBODY = "no trainer yet"
NAME_WIDTH = 16
COLUMNS = (("updates", 8), ("steps/s", 8), ("ms/update", 10), ("silent", 10))


def ranks_rows(snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """Titles and ranks; where not all fit, those that lag come first."""
    ranks = snapshot.ranks
    if not ranks:
        return ((Span(NOBODY, Tone.DIM),),)[:height]
    slowest = straggler(ranks)
    rows = [_row(rank, snapshot, rank is slowest, width) for rank in ranks]
    if len(rows) > max(height - 1, 1):
        rows.sort(key=lambda row: row[0].text != "!")
    return (_titles(width), *rows)[: max(height, 0)] if height > 1 else tuple(rows[: max(height, 0)])


def ranks_note(snapshot: SanctumSnapshot) -> Row:
    """For the title: how many of the world are there."""
    there, world = len(snapshot.ranks), snapshot.run.world_size
    return (
        (Span(f"{there} of {count(world)}", Tone.DIM if there >= world else Tone.WARNING),) if there else ()
    )


def straggler(ranks: tuple[RankState, ...]) -> RankState | None:
    """The rank with the fewest updates among several of which one is ahead; None where all are level."""
    slowest = min(ranks, key=lambda rank: rank.updates, default=None)
    ahead = max((rank.updates for rank in ranks), default=0)
    return slowest if slowest is not None and slowest.updates < ahead else None


def _titles(width: int) -> Row:
    names = (right(title, cells, Tone.LABEL) for title, cells in COLUMNS)
    return (Span(" " * (_name_width(width) + 2)), *names)


def _name_width(width: int) -> int:
    taken = sum(cells for _, cells in COLUMNS) + 2
    return min(max(width - taken, 4), 30)


def _row(rank: RankState, snapshot: SanctumSnapshot, slowest: bool, width: int) -> Row:
    tone = Tone.WARNING if slowest else Tone.VALUE
    name = crop(f"{rank.rank} {clean(rank.producer)}", _name_width(width))
    values = (
        right(count(rank.updates), 8, tone),
        right(number(rank.steps_per_second, 0, 7), 8, Tone.VALUE),
        right(number(rank.update_time_ms, 1, 9), 10, Tone.VALUE),
        _silence(rank, snapshot),
    )
    mark = Span("!" if slowest else " ", tone)
    return (mark, Span(" "), left(name, _name_width(width), Tone.LABEL), *values)


def _silence(rank: RankState, snapshot: SanctumSnapshot) -> Span:
    """How long before the run's last event this rank spoke last, or how it ended."""
    if rank.outcome is not None:
        return right(crop(clean(rank.outcome), 9), 10, Tone.DIM)
    last, own = snapshot.run.last_event_ns, rank.last_event_ns
    return right("–" if last is None or own is None else age((last - own) / 1e9), 10, Tone.DIM)
