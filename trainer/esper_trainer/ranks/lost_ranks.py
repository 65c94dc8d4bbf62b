"""Finding the lost ranks when a collective operation fails."""

import time
from collections.abc import Callable, Iterable

from torch.distributed.distributed_c10d import Store

from esper_schemas.errors import EsperError

ANSWER_S = 5.0
"""Seconds that the remaining ranks have to answer."""
_POLL_S = 0.05


class RankLostError(EsperError):
    """Other processes of the run are gone, and collective operations are impossible.

    reporter: whether this is the one remaining process that should report it to the user.
    """

    def __init__(self, message: str, *, reporter: bool) -> None:
        super().__init__(message)
        self.reporter = reporter


def find_missing_ranks(store: Store, rank: int, world_size: int) -> tuple[int, ...]:
    """The ranks that do not answer; every remaining rank has to call this.

    The store is hosted by a launcher or by rank 0; if it cannot be reached, rank 0 is missing.
    """
    others = [other for other in range(world_size) if other != rank]
    try:
        store.set(f"alive/{rank}", "")
        missing = _without_answer(store, "alive", others, lambda missing: len(missing) <= 1)
        store.set(f"done/{rank}", "")
        if rank == 0:  # it may host the store, which the others are still reading
            _without_answer(
                store, "done", [o for o in others if o not in missing], lambda waiting: not waiting
            )
    except RuntimeError:
        return (0,)
    return missing


def _without_answer(
    store: Store, question: str, ranks: Iterable[int], done: Callable[[tuple[int, ...]], bool]
) -> tuple[int, ...]:
    """The ranks without a key `<question>/<rank>` as soon as `done` of them holds, or at the deadline."""
    deadline = time.monotonic() + ANSWER_S
    while True:
        missing = tuple(rank for rank in ranks if not store.check([f"{question}/{rank}"]))
        if done(missing) or time.monotonic() > deadline:
            return missing
        time.sleep(_POLL_S)


def rank_lost_error(
    missing: tuple[int, ...], rank: int, world_size: int, silent_s: float | None
) -> RankLostError:
    """The error to raise; silent_s: seconds of silence, None if the connection was closed."""
    if not missing:
        return RankLostError("The other processes stopped waiting for this one.", reporter=True)
    names = " and ".join(str(other) for other in missing)
    who = f"Rank {names} of {world_size} is" if len(missing) == 1 else f"Ranks {names} of {world_size} are"
    what = "gone" if silent_s is None else f"gone or stuck: no response for {silent_s:g} s"
    remaining = [other for other in range(world_size) if other not in missing]
    return RankLostError(f"{who} {what}.", reporter=rank == min(remaining))
