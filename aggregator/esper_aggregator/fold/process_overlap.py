"""Finds out whether several processes train under one producer name, from the times of their events alone.

A process that was started again under the name of an earlier one is not a fault: the earlier one is silent by
then, and what it left in its spool was emitted before. Two processes that train at the same time are one.
"""

from esper_aggregator.fold.run_state import ProducerState
from esper_schemas import events as e

TRAINING_EVENTS = (e.PPOUpdateCompleted, e.RolloutCompleted, e.EpisodeCompleted, e.ScalarsLogged)
"""The events that only a process in training emits, long enough after its start to tolerate skewed clocks."""


def observe_process(producer: ProducerState, emitted_ns: int, *, late: bool) -> None:
    """Take note of an event of the present process or, if it is late, of an earlier one."""
    since_ns, late_ns = producer.training_since_ns, producer.late_ns
    if late:
        if since_ns is not None and emitted_ns > since_ns:
            producer.late_ns = emitted_ns if late_ns is None else max(late_ns, emitted_ns)
    elif since_ns is None:
        producer.training_since_ns = emitted_ns
    elif late_ns is not None and emitted_ns > late_ns:
        producer.processes = 2
