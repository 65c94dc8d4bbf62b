"""What the screen shows of the past: the playhead, and the place and the marks of what is drawn."""

from dataclasses import dataclass
from functools import cached_property

from esper_schemas.history import Mark, Marks, PastSnapshot, Place
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.past.playhead import Playhead


@dataclass(frozen=True, eq=False)
class RunMarks:
    """The marks of a run, in the order of their places; compared by identity, as there may be thousands."""

    marks: tuple[Mark, ...] = ()

    @cached_property
    def by_update(self) -> dict[int | None, list[Mark]]:
        """The marks of each update, most severe first."""
        found: dict[int | None, list[Mark]] = {}
        for mark in sorted(self.marks, key=lambda mark: _SEVERITIES.index(mark.severity)):
            found.setdefault(mark.place.update, []).append(mark)
        return found


NO_MARKS = RunMarks()


@dataclass(frozen=True, slots=True)
class Past:
    """The past of a run at one moment of watching it.

    `snapshot` is that of the playhead, or of where it was before while that one is awaited; None in the
    present. `place` is where it is in the log.
    """

    playhead: Playhead
    snapshot: SanctumSnapshot | None = None
    place: Place | None = None
    marks: RunMarks = NO_MARKS
    awaited: bool = False

    @property
    def updates_behind(self) -> int:
        """The number of updates between the one that is shown and the last one."""
        return 0 if self.snapshot is None else max(self.playhead.last - self.snapshot.tamiyo.last_update, 0)

    @property
    def marks_here(self) -> tuple[Mark, ...]:
        """The marks of the update that is shown, most severe first."""
        return () if self.place is None else tuple(self.marks.by_update.get(self.place.update, ()))

    @property
    def recognised_later(self) -> tuple[Mark, ...]:
        """The findings that begin at the update that is shown, but had not been recognised by then."""
        known = self.snapshot.findings if self.snapshot else ()
        titles = {(finding.rule, finding.title) for finding in known}
        onsets = {(finding.rule, finding.since_update) for finding in known}
        return tuple(
            mark
            for mark in self.marks_here
            if mark.kind == "finding"
            and (mark.rule, mark.title) not in titles
            and (mark.rule, mark.place.update) not in onsets
        )


def past_of(shown: PastSnapshot, marks: Marks) -> Past:
    """What is shown of a moment in a run with these marks, for a single frame."""
    last, update = marks.last.update or 0, shown.place.update
    playhead = Playhead(last=last).at(last if update is None else update)
    return Past(playhead, shown.snapshot, shown.place, RunMarks(marks.marks))


_SEVERITIES = ("critical", "warning", "notice", None)
