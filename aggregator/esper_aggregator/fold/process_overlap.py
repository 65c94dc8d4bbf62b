"""Finds out whether several processes train under one producer name, from the times of their events alone.

A process that was started again under the name of an earlier one is not a fault: the earlier one is silent by
then, and what it left in its spool was emitted before, in whichever order it arrives. Two processes that
train at the same time are a fault.
"""

from esper_aggregator.fold.run_state import ProducerState
from esper_schemas import events as e

TRAINING_EVENTS = (e.PPOUpdateCompleted, e.RolloutCompleted, e.EpisodeCompleted, e.ScalarsLogged)
"""The events that only a process in training emits, long enough after its start to tolerate skewed clocks."""

KEPT_SPANS = 8
"""Earlier processes of one producer whose times are remembered: the newest ones."""


def observe_process(producer: ProducerState, epoch: int, emitted_ns: int) -> None:
    """Take note of an event of the present process or, by its epoch, of an earlier one."""
    if epoch != producer.epoch:
        since_ns, until_ns = producer.earlier_spans.get(epoch, (emitted_ns, emitted_ns))
        _remember(producer, epoch, (min(since_ns, emitted_ns), max(until_ns, emitted_ns)))
    elif producer.training_since_ns is None:
        producer.training_since_ns = producer.training_until_ns = emitted_ns
    else:
        producer.training_until_ns = emitted_ns


def end_process(producer: ProducerState) -> None:
    """Remember when the present process of a producer trained, as another one has begun."""
    if producer.training_since_ns is not None:
        span = (producer.training_since_ns, producer.training_until_ns)
        _remember(producer, producer.epoch, span)


def processes(producer: ProducerState) -> int:
    """Return the number of processes that have trained at the same time as the present one, with it."""
    since_ns, until_ns = producer.training_since_ns, producer.training_until_ns
    if not producer.earlier_spans or since_ns is None:
        return 1
    earlier = producer.earlier_spans.values()
    return 1 + sum(began_ns < until_ns and since_ns < ended_ns for began_ns, ended_ns in earlier)


def _remember(producer: ProducerState, epoch: int, span: tuple[int, int]) -> None:
    producer.earlier_spans[epoch] = span
    if len(producer.earlier_spans) > KEPT_SPANS:
        del producer.earlier_spans[next(iter(producer.earlier_spans))]
