"""A finding about the recording rather than the training: several processes train as the same rank.

Only one of them is in the numbers of the run. A rank that was started again, under the same or another name,
is not such a case: the earlier process was silent before the later one trained.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

from esper_schemas.findings import Evidence, Finding
from esper_schemas.snapshot import RankState

DUPLICATE_RANK = "duplicate_rank"

ADVICE = (
    "Give each process its own rank: set RANK and WORLD_SIZE, or pass rank and world_size to connect().",
    "Start the processes with torchrun, which sets both.",
    "End a process that was left over from an earlier start; give independent trainings runs of their own.",
)

MAX_EVIDENCE = 6


def duplicate_ranks(ranks: Sequence[RankState]) -> list[Finding]:
    """Return the finding, if the processes of any rank have trained at the same time."""
    if len(ranks) == 1 and ranks[0].processes == 1:
        return []  # the usual case
    groups = list(duplicates(ranks).values())
    if not groups:
        return []
    since = min(_second_begin(group) for group in groups)
    links = [_evidence(rank) for rank in chain.from_iterable(groups)][:MAX_EVIDENCE]
    return [
        Finding(
            rule=DUPLICATE_RANK,
            severity="critical",
            title=_title(groups),
            since_update=since,
            evidence=tuple(sorted(links, key=lambda link: link.update)),
            advice=ADVICE,
        )
    ]


def duplicates(ranks: Iterable[RankState]) -> dict[int, list[RankState]]:
    """Return, by rank, the producers that have trained at the same time as another one of their rank.

    A producer whose name several processes use is one as well.
    """
    by_rank: dict[int, list[RankState]] = {}
    for rank in ranks:
        if rank.training_since_ns is not None:
            by_rank.setdefault(rank.rank, []).append(rank)
    groups = {number: _overlapping(group) for number, group in by_rank.items()}
    return {number: groups[number] for number in sorted(groups) if groups[number]}


def _overlapping(group: list[RankState]) -> list[RankState]:
    """Return those that overlap with another one, in the order in which they began to train."""
    if len(group) == 1:
        return group if group[0].processes > 1 else []
    found: dict[str, RankState] = {}
    longest: RankState | None = None
    for rank in sorted(group, key=lambda rank: (rank.training_since_ns or 0, rank.producer)):
        if longest is not None and (longest.last_event_ns or 0) > (rank.training_since_ns or 0):
            found |= {longest.producer: longest, rank.producer: rank}
        if rank.processes > 1:
            found[rank.producer] = rank
        if longest is None or (rank.last_event_ns or 0) > (longest.last_event_ns or 0):
            longest = rank
    return list(found.values())


def _second_begin(group: list[RankState]) -> int:
    """Return the first update of the process from which on there were several."""
    return group[0 if group[0].processes > 1 else 1].training_since_update


def _title(groups: list[list[RankState]]) -> str:
    if len(groups) > 1:
        return f"{len(groups)} ranks have several processes each; only one of each counts"
    (group,) = groups
    number = sum(rank.processes for rank in group)
    count = "Two" if number == 2 else str(number)
    return f"{count} processes are rank {group[0].rank}; only one counts"


def _evidence(rank: RankState) -> Evidence:
    where = f"process {rank.pid} on {rank.host}" if rank.host else "a process"
    others = " and another one" if rank.processes > 1 else ""
    return Evidence(rank.training_since_update, f"{rank.producer}: {where}{others} as rank {rank.rank}")
