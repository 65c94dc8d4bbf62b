"""Records of several ranks for tests of the fold."""

from esper_schemas import events as e
from esper_schemas.events import Record

SECOND = 1_000_000_000


def rank_records(rank, events, *, producer=None, world_size=2, from_s=0, epoch=1, first_seq=0, **started):
    """`RunStarted` and the given events of one rank, one every second."""
    start = e.RunStarted(task="t", rank=rank, world_size=world_size, **started)
    return [
        Record(
            run="r",
            producer=producer or f"trainer:{rank}",
            epoch=epoch,
            seq=first_seq + seq,
            emitted_ns=(from_s + seq) * SECOND,
            received_ns=(from_s + seq) * SECOND,
            event=event,
        )
        for seq, event in enumerate([start, *events])
    ]


def collected(update, mean_return=None, **fields):
    """A rollout of one update."""
    return e.RolloutCompleted(update=update, mean_return=mean_return, **fields)


def finished(outcome="completed", reason=""):
    """The end of a rank."""
    return e.RunFinished(outcome=outcome, updates=1, reason=reason)
