"""Where a viewer is in the past of a run, how it moves there, and which updates it will want next.

Pure: time is passed in, and every movement returns another playhead.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import ceil

from esper_tui.past.timeline import NOTHING_KNOWN, Timeline

SLOWEST, FASTEST = 0.25, 1024.0
"""Bounds of the speed of playing."""
FRAME_S = 0.1
"""The shortest time between two frames while it plays; updates in between are skipped.

Each frame draws nearly all of the screen: twice as many take twice the processor time.
"""
FETCHED_AHEAD = 3
"""The number of updates that are wanted before they are reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playhead:
    """A position between the first and the last update of a run; None is the present, which follows the run.

    `marks` are the updates of all marks, ascending, each once. `direction` is that of the last movement, 1 or
    -1. `missing` are ranges of updates, without their first one, that the log was found to lack. While it
    plays, `played_s` are seconds of the timeline, and `advanced_s` is when it was last advanced, in seconds
    of any clock.
    """

    first: int = 1
    last: int = 1
    position: int | None = None
    marks: tuple[int, ...] = ()
    timeline: Timeline = NOTHING_KNOWN
    direction: int = -1
    missing: tuple[tuple[int, int], ...] = ()
    speed: float = 1.0
    playing: bool = False
    played_s: float = 0.0
    advanced_s: float = 0.0

    @property
    def update(self) -> int:
        """The update at the playhead; in the present, the last one."""
        return self.last if self.position is None else self.position

    def at(self, update: int) -> "Playhead":
        """The playhead at an update, or at the nearer end if there is none; it no longer plays."""
        direction = -1 if update < self.update else 1
        return replace(self._placed(update), direction=direction, playing=False)

    def stepped(self, direction: int) -> "Playhead":
        """The playhead one update later (1) or earlier (-1); updates that the log lacks are skipped."""
        update = self.update + direction
        for after, until in self.missing:
            if after < update <= until:
                update = until + 1 if direction > 0 else after
        return replace(self.at(update), direction=direction)

    def at_mark(self, direction: int) -> "Playhead":
        """The playhead at the next (1) or the previous (-1) mark; the same one if there is none."""
        mark = self.next_mark(direction)
        return self if mark is None else self.at(mark)

    def next_mark(self, direction: int) -> int | None:
        """The update of the next mark (1), or of the previous one (-1)."""
        if direction > 0:
            later = self.marks[bisect_right(self.marks, self.update) :][:1]
            return later[0] if later and self.position is not None else None
        sooner = self.marks[: bisect_left(self.marks, self.update)][-1:]
        return sooner[0] if sooner else None

    def at_start(self) -> "Playhead":
        """The playhead at the first update."""
        return self.at(self.first)

    def at_end(self) -> "Playhead":
        """The playhead in the present."""
        return replace(self, position=None, playing=False)

    def extended(self, first: int, last: int) -> "Playhead":
        """The playhead of the same run with other ends; a position beyond them moves to the nearer one."""
        longer = replace(self, first=min(first, last), last=last)
        return longer if self.position is None else longer._placed(self.position)

    def found(self, asked: int, found: int, following: int | None = None) -> "Playhead":
        """The playhead after it was found that the last update until `asked` is an earlier one.

        `following` is the next update that the log has, if that is known. If the playhead waits for `asked`,
        it moves on in the direction from which it came.
        """
        if found >= asked:
            return self
        until = asked if following is None else max(following - 1, asked)
        learned = replace(self, missing=_merged((*self.missing, (found, until))))
        if self.position != asked:
            return learned
        if self.direction > 0 and not self.playing:
            return replace(learned, position=asked - 1).stepped(1)
        return learned._placed(found)

    def started(self, now_s: float) -> "Playhead":
        """The playhead playing from its position, or from the first update if it is in the present."""
        start = self.at_start() if self.position is None else self
        played_s = self.timeline.seconds_at(start.update)
        return replace(start, playing=True, direction=1, played_s=played_s, advanced_s=now_s)

    def stopped(self) -> "Playhead":
        """The playhead where it is, not playing."""
        return replace(self, playing=False)

    def at_speed(self, speed: float) -> "Playhead":
        """The playhead with another speed, within bounds."""
        return replace(self, speed=min(max(speed, SLOWEST), FASTEST))

    def advanced(self, now_s: float) -> "Playhead":
        """The playhead after it has played until now; at the end it stops, in the present."""
        if not self.playing:
            return self
        played_s = self.played_s + max(now_s - self.advanced_s, 0.0) * self.speed
        update = int(self.timeline.update_at(played_s) + 1e-9)
        if update >= self.last:
            return self.at_end()
        update -= (update - self.first) % self._stride
        later = self._placed(max(update, self.update))
        return replace(later, played_s=played_s, advanced_s=max(now_s, self.advanced_s))

    def with_timeline(self, timeline: Timeline) -> "Playhead":
        """The playhead with another timeline, on which it is at the same update."""
        return replace(self, timeline=timeline, played_s=timeline.seconds_at(self.update))

    def with_marks(self, updates: Iterable[int]) -> "Playhead":
        """The playhead with marks at these updates, in any order."""
        return replace(self, marks=tuple(sorted(set(updates))))

    def wishes(self) -> tuple[int, ...]:
        """The updates whose snapshots are wanted, most urgent first: the present one, then its neighbours in
        the direction of movement, the one behind, and the nearest marks.
        """
        return tuple(dict.fromkeys(u for u in self._wishes() if self.first <= u < self.last))

    def _wishes(self) -> Iterator[int]:
        if self.position is not None:
            yield self.position
        direction = -1 if self.position is None else self.direction
        step = direction * (self._stride if self.playing else 1)
        yield from (self.update + step * n for n in range(1, FETCHED_AHEAD + 1))
        if not self.playing:
            yield self.update - direction
            yield from (m for m in (self.next_mark(1), self.next_mark(-1)) if m is not None)

    @property
    def _stride(self) -> int:
        """The number of updates from one frame to the next, so that the next frames can be fetched ahead."""
        return max(ceil(self.speed * FRAME_S / self.timeline.update_s - 1e-9), 1)

    def _placed(self, update: int) -> "Playhead":
        """At an update, or at the nearer end."""
        nearest = max(update, self.first)
        return replace(self, position=None if nearest >= self.last else nearest)


def _merged(ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Ranges without overlaps, ascending."""
    merged: list[tuple[int, int]] = []
    for after, until in sorted(ranges):
        if merged and after <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], until))
        else:
            merged.append((after, until))
    return tuple(merged)
