"""Trainers that write under one name at the same time. Pure: the time is passed in.

A trainer that is started again takes over its own name; its former process sends nothing any more. If the
former process goes on sending, there are two of them, and their events get mixed up.
"""

from esper_bus.records import StreamKey

ALIVE_S = 5.0
"""A trainer that was silent for longer may be dead: a living one sends something every second."""
GRACE_S = 2.0
"""For this long after a new process was first seen, messages of the former one may still be in transit."""


class DuplicateProducers:
    """Which producers of which runs are several living trainers."""

    def __init__(self) -> None:
        self._runs: dict[str, dict[str, dict[int, _Process]]] = {}  # by run, producer and epoch

    def note_message(self, stream: StreamKey, now: float) -> None:
        """A message of a trainer was received."""
        processes = self._runs.setdefault(stream.run, {}).setdefault(stream.producer, {})
        process = processes.get(stream.epoch)
        if process is None or now - process.last_message_at > ALIVE_S:
            _forget_silent(processes, now)
            process = processes[stream.epoch] = _Process(now)
        process.last_message_at = now

    def of(self, run: str, now: float) -> tuple[str, ...]:
        """The producers of a run that more than one living trainer writes as; forgets silent trainers."""
        producers = self._runs.get(run, {})
        for producer, processes in list(producers.items()):
            _forget_silent(processes, now)
            if not processes:
                del producers[producer]
        if not producers:
            self._runs.pop(run, None)
        return tuple(producer for producer, processes in producers.items() if _are_duplicates(processes))


class _Process:
    __slots__ = ("first_message_at", "last_message_at")

    def __init__(self, now: float) -> None:
        self.first_message_at = self.last_message_at = now


def _forget_silent(processes: dict[int, _Process], now: float) -> None:
    silent = [epoch for epoch, process in processes.items() if now - process.last_message_at > ALIVE_S]
    for epoch in silent:
        del processes[epoch]


def _are_duplicates(processes: dict[int, _Process]) -> bool:
    """Whether any process but the newest one goes on sending after the newest one has begun."""
    newest = max(process.first_message_at for process in processes.values())
    alive = (
        process.first_message_at == newest or process.last_message_at - newest >= GRACE_S
        for process in processes.values()
    )
    return sum(alive) > 1
