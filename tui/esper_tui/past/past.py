"""What the screen shows of the past: the playhead, and the place and the marks of what is drawn."""

from dataclasses import dataclass

from esper_schemas.history import Mark, Marks, PastSnapshot, Place
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.past.playhead import Playhead


@dataclass(frozen=True, slots=True)
class Past:
    """The past of a run at one moment of watching it.

    `snapshot` is that of the playhead, or of where it was before while that one is awaited; None in the
    present. `place` is where it is in the log. `marks` are those of the run, in the order of their places.
    """

    playhead: Playhead
    snapshot: SanctumSnapshot | None = None
    place: Place | None = None
    marks: tuple[Mark, ...] = ()
    awaited: bool = False

    @property
    def updates_behind(self) -> int:
        """The number of updates between the one that is shown and the last one."""
        return 0 if self.snapshot is None else max(self.playhead.last - self.snapshot.tamiyo.last_update, 0)

    @property
    def marks_here(self) -> tuple[Mark, ...]:
        """The marks of the update that is shown, most severe first."""
        if self.place is None:
            return ()
        here = [mark for mark in self.marks if mark.place.update == self.place.update]
        return tuple(sorted(here, key=lambda mark: _SEVERITIES.index(mark.severity)))


def past_of(shown: PastSnapshot, marks: Marks) -> Past:
    """What is shown of a moment in a run with these marks, for a single frame."""
    last, update = marks.last.update or 0, shown.place.update
    playhead = Playhead(last=last).at(last if update is None else update)
    return Past(playhead, shown.snapshot, shown.place, marks.marks)


_SEVERITIES = ("critical", "warning", "notice", None)
