"""Finding out who is gone when the processes of a run can no longer sum together."""

import time
from collections.abc import Callable, Iterable

from torch.distributed.distributed_c10d import Store

from esper_schemas.errors import EsperError

ANSWER_S = 5.0
"""So long everybody who is left has to answer."""
_LOOK_S = 0.05


class RankLostError(EsperError):
    """Other processes of the run are gone, and nothing can be summed any more.

    speaks: whether this is the process that should tell people; of those that are left, one does.
    """

    def __init__(self, message: str, *, reporter: bool) -> None:
        super().__init__(message)
        self.reporter = reporter


def find_missing_ranks(store: Store, rank: int, world_size: int) -> tuple[int, ...]:
    """The ranks that do not answer; everybody who is left has to call this.

    The store is kept by a launcher, or by rank 0: if nobody keeps it any more, that is who is gone.
    """
    others = [other for other in range(world_size) if other != rank]
    try:
        store.set(f"left/{rank}", "")
        missing = _without_answer(store, "left", others, lambda missing: len(missing) <= 1)
        store.set(f"knows/{rank}", "")
        if rank == 0:  # perhaps the keeper of the store, which the others are still reading
            _without_answer(
                store, "knows", [o for o in others if o not in missing], lambda waiting: not waiting
            )
    except RuntimeError:
        return (0,)
    return missing


def _without_answer(
    store: Store, question: str, ranks: Iterable[int], done: Callable[[tuple[int, ...]], bool]
) -> tuple[int, ...]:
    """Who has not answered a question when that is `done`, or when the time is over."""
    deadline = time.monotonic() + ANSWER_S
    while True:
        missing = tuple(rank for rank in ranks if not store.check([f"{question}/{rank}"]))
        if done(missing) or time.monotonic() > deadline:
            return missing
        time.sleep(_LOOK_S)


def rank_lost_error(
    missing: tuple[int, ...], rank: int, world_size: int, silent_s: float | None
) -> RankLostError:
    """What to raise; silent_s: how long they said nothing, None if their connection was cut."""
    if not missing:
        return RankLostError("The other processes have given up waiting for this one.", reporter=True)
    names = " and ".join(str(other) for other in missing)
    who = f"Rank {names} of {world_size} is" if len(missing) == 1 else f"Ranks {names} of {world_size} are"
    what = "gone" if silent_s is None else f"gone or stuck: nothing was heard for {silent_s:g} s"
    left = [other for other in range(world_size) if other not in missing]
    return RankLostError(f"{who} {what}.", reporter=rank == min(left))
