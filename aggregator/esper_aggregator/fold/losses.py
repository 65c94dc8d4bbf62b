"""What a run has lost: in which way, how much, and since which update."""

from collections.abc import Iterator
from itertools import islice, pairwise

from msgspec import structs

from esper_aggregator.fold.run_state import ProducerState, RunState
from esper_aggregator.fold.size_limits import bounded_count
from esper_schemas.snapshot import Loss, LossKind


def add_loss(state: RunState, producer: ProducerState, kind: LossKind, count: int = 1) -> None:
    """Count what was lost during the update that a producer makes."""
    if count <= 0:
        return
    update = bounded_count(producer.last_update + 1)
    known = state.losses.get(kind) or Loss(kind=kind, producer=producer.producer, since_update=update)
    total = bounded_count(known.count + count)
    last = max(known.last_update, update)
    state.losses[kind] = structs.replace(known, count=total, last_update=last)


def losses(state: RunState) -> tuple[Loss, ...]:
    """Return all losses of a run, those included that only its end shows."""
    capacity = [Loss(kind="capacity", count=state.left_out)] if state.left_out else []
    return (*state.losses.values(), *islice(_unwritten(state), 1), *capacity)


def _unwritten(state: RunState) -> Iterator[Loss]:
    """Yield, for each producer that has finished, the updates that it made after the last one in the log.

    A trainer may record every tenth update only: fewer than it leaves out otherwise are not missing. One that
    failed may count the update in which it did.
    """
    for producer in state.producers.values():
        if producer.finished is None or producer.finished.outcome == "failed" or not producer.ppo_updates:
            continue
        numbers = [update.update for update in producer.ppo_updates]
        interval = max([later - earlier for earlier, later in pairwise(numbers)], default=1)
        missing = producer.finished.updates - producer.last_update
        if missing >= max(interval, 1):
            since = bounded_count(producer.last_update + 1)
            yield Loss(
                kind="unwritten",
                count=bounded_count(missing),
                producer=producer.producer,
                since_update=since,
                last_update=since,
            )
