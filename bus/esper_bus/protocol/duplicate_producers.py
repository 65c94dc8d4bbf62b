"""Trainers that live at the same time under one name. Pure: the time is passed in.

A trainer that is started again takes its own name over; its former life says nothing any more. Where the
former goes on speaking, there are two of them, and what they tell gets mixed up.
"""

from esper_bus.records import StreamKey

ALIVE_S = 5.0
"""A trainer that was silent for longer may be dead: one that lives says something each second."""
GRACE_S = 2.0
"""So long after a new life began, what is heard of the former one may still have been under way."""


class DuplicateProducers:
    """Which producers of which runs are several living trainers."""

    def __init__(self) -> None:
        self._runs: dict[str, dict[str, dict[int, _Life]]] = {}  # by run, producer and epoch

    def heard(self, stream: StreamKey, now: float) -> None:
        """A trainer said something."""
        lives = self._runs.setdefault(stream.run, {}).setdefault(stream.producer, {})
        life = lives.get(stream.epoch)
        if life is None or now - life.heard_at > ALIVE_S:
            _forget_silent(lives, now)
            life = lives[stream.epoch] = _Life(now)
        life.heard_at = now

    def of(self, run: str, now: float) -> tuple[str, ...]:
        """The producers of a run that more than one living trainer writes as; forgets who is silent."""
        producers = self._runs.get(run, {})
        for producer, lives in list(producers.items()):
            _forget_silent(lives, now)
            if not lives:
                del producers[producer]
        if not producers:
            self._runs.pop(run, None)
        return tuple(producer for producer, lives in producers.items() if _are_rivals(lives))


class _Life:
    __slots__ = ("began_at", "heard_at")

    def __init__(self, now: float) -> None:
        self.began_at = self.heard_at = now


def _forget_silent(lives: dict[int, _Life], now: float) -> None:
    for epoch in [epoch for epoch, life in lives.items() if now - life.heard_at > ALIVE_S]:
        del lives[epoch]


def _are_rivals(lives: dict[int, _Life]) -> bool:
    newest = max(life.began_at for life in lives.values())
    return sum(life.heard_at - newest >= GRACE_S or life.began_at == newest for life in lives.values()) > 1
