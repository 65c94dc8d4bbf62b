"""The rewinding of the run that is shown: moves the playhead, and asks the history for what it wants."""

import re
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from operator import is_

from esper_schemas.errors import InvalidArgument
from esper_schemas.history import (
    Answer,
    AtUpdate,
    Marks,
    MarksQuestion,
    Moment,
    PastSnapshot,
    Place,
    SnapshotQuestion,
    Unanswered,
)
from esper_schemas.moment_text import first_update, moment_of
from esper_schemas.snapshot import EMPTY_SNAPSHOT, SanctumSnapshot
from esper_tui.past.past import NO_MARKS, Past, RunMarks
from esper_tui.past.playhead import Playhead
from esper_tui.past.run_history import RunHistory
from esper_tui.past.timeline import timeline_of
from esper_tui.past.update_times import UpdateTimes

MOST_KEPT = 48
"""The number of snapshots that are kept."""
MOST_AWAITED, MOST_AHEAD = 4, 2
"""The number of snapshots that are asked for at once, and of those among them that are fetched ahead, so that
the one at the playhead never waits for many.
"""
MARKS_AFTER_S, RETRY_AFTER_S = 10.0, 1.0
"""Seconds after which the marks of a run in progress are asked for again, and what was not answered."""
Say = Callable[[str], None]


class Rewind:
    """The past of one run after another; times are seconds of one clock.

    `say` takes a sentence for the user. Nothing is asked in the present, unless it is `watched`.
    """

    def __init__(self, history: RunHistory, say: Say) -> None:
        self._history = history
        self._say = say
        self._times = UpdateTimes(history)
        self._reset()

    def _reset(self) -> None:
        self._playhead = Playhead()
        self._present = EMPTY_SNAPSHOT
        self._marks: Marks | None = None
        self._run_marks = NO_MARKS
        self._kept: OrderedDict[int, PastSnapshot] = OrderedDict()
        self._awaited: set[int] = set()
        self._shown: PastSnapshot | None = None
        self._exact: PastSnapshot | None = None
        self._marks_asked_s = self._retry_s = 0.0
        self._timed_by: tuple[object, ...] = ()
        self._until_marks: list[Callable[[Marks], None]] = []

    @property
    def playhead(self) -> Playhead:
        """Where the viewer is."""
        return self._playhead

    @property
    def is_past(self) -> bool:
        """Whether the viewer is not in the present."""
        return self._exact is not None or self._playhead.position is not None

    @property
    def is_busy(self) -> bool:
        """Whether the screen may change without a new snapshot of the source."""
        return self._playhead.playing or self.is_waiting

    @property
    def is_waiting(self) -> bool:
        """Whether the last movement still needs an answer."""
        return self._is_awaited or bool(self._until_marks)

    @property
    def _is_awaited(self) -> bool:
        return self.is_past and self._exact is None and self._playhead.position not in self._kept

    def follow(self, present: SanctumSnapshot, now_s: float, *, watched: bool = False) -> Past | None:
        """Take note of the present and of the time, and ask for what is wanted.

        Returns what is to be shown; None in the present, unless it is `watched`, beside the past.
        """
        if present.run.run != self._present.run.run:
            self._reset()
        if present is not self._present:
            self._extend(present)
        self._playhead = self._playhead.advanced(now_s)
        if watched:
            self._times.want(present, self._marks, now_s)
            self._time_updates()
        if self.is_past or watched:
            self._ask(now_s)
        elif self._until_marks:
            self._ask_for_marks(now_s)
        past = self._past()
        return past if watched or past.snapshot is not None else None

    def _extend(self, present: SanctumSnapshot) -> None:
        last = present.tamiyo.last_update
        if last < self._present.tamiyo.last_update:
            self._kept.clear()  # A resumed run makes its updates again.
        self._present = present
        self._playhead = self._playhead.extended(self._playhead.first, last)

    def _past(self) -> Past:
        """What is to be shown; the last snapshot that was shown remains until the wanted one arrives."""
        wanted = self._exact or self._kept.get(self._playhead.update)
        self._shown = (wanted or self._shown) if self.is_past else None
        marks = self._run_marks
        if self._shown is None:
            return Past(self._playhead, marks=marks, awaited=self._is_awaited)
        return Past(self._playhead, self._shown.snapshot, self._shown.place, marks, self._is_awaited)

    def has_past(self) -> bool:
        """Whether the run has updates; says so if it has none."""
        if not self._present.tamiyo.last_update:
            self._say("This run has no updates yet, and so no past.")
            return False
        return True

    def step(self, direction: int) -> None:
        """Go one update forward (1) or back (-1)."""
        if self.has_past():
            end = "This is the present." if direction > 0 else self._beginning()
            self._move(self._playhead.stepped(direction), end)

    def go_to_mark(self, direction: int) -> None:
        """Go to the next mark (1) or the previous one (-1)."""
        if not self.has_past():
            return
        if self._marks is None:
            self._until_marks = [lambda marks: self.go_to_mark(direction)]
            return
        end = "There is no later mark." if direction > 0 else "There is no earlier mark."
        self._move(self._playhead.at_mark(direction), end)

    def go_to_start(self) -> None:
        """Go to the first update."""
        if self.has_past():
            self._move(self._playhead.at_start(), self._beginning())

    def go_to_end(self) -> None:
        """Return to the present."""
        self._exact = None
        self._playhead = self._playhead.at_end()

    def go_to(self, moment: Moment) -> None:
        """Go to a moment."""
        if not self.has_past():
            return
        if isinstance(moment, AtUpdate):
            self._move(self._playhead.at(moment.update), "")
        else:
            self._history.ask(SnapshotQuestion(moment), self._receive_exact)

    def go_to_text(self, text: str) -> None:
        """Go to the moment that the user has named, once the marks of the run are known."""
        if not self.has_past():
            return
        if re.fullmatch(r"[+-]\d{1,9}", text.strip()):
            self.go_to(AtUpdate(max(self._playhead.update + int(text), 0)))
        elif self._marks is None:
            self._until_marks = [partial(self._go_to_named, text)]
        else:
            self._go_to_named(text, self._marks)

    def _go_to_named(self, text: str, marks: Marks) -> None:
        run, events = self._present.run, max(self._present.events_folded, marks.last.events)
        first = Place(0, self._playhead.first, run.started_ns)
        last = Place(events, self._playhead.last, run.last_event_ns)
        try:
            self.go_to(moment_of(text, Marks(first, last, marks.marks)))
        except InvalidArgument as error:
            self._say(str(error))

    def toggle_playing(self, now_s: float) -> None:
        """Play from here, or stop."""
        if self._playhead.playing:
            self._playhead = self._playhead.stopped()
        elif self.has_past():
            self._time_updates()
            has_one = self._playhead.first >= self._playhead.last
            alone = "This run has one update, and so nothing to play." if has_one else ""
            self._move(self._playhead.started(now_s), alone)

    def stop(self) -> None:
        """Stay where the viewer is."""
        self._playhead = self._playhead.stopped()

    def change_speed(self, factor: float) -> None:
        """Play faster or slower."""
        self._playhead = self._playhead.at_speed(self._playhead.speed * factor)

    def _beginning(self) -> str:
        first, last = self._playhead.first, self._playhead.last
        if first >= last:
            return f"This run has one update, {last}, and so no past."
        return f"The run begins with update {first}."

    def _move(self, moved: Playhead, if_same: str) -> None:
        """Take a moved playhead; says a sentence if it has not moved."""
        if moved.position == self._playhead.position and self._exact is None and if_same:
            self._say(if_same)
        self._playhead, self._exact, self._retry_s = moved, None, 0.0

    def _ask(self, now_s: float) -> None:
        self._ask_for_marks(now_s)
        if now_s < self._retry_s:
            return
        for update in self._playhead.wishes():
            most = MOST_AWAITED if update == self._playhead.position else MOST_AHEAD
            if update not in self._kept and update not in self._awaited and len(self._awaited) < most:
                self._awaited.add(update)
                receive = partial(self._receive, update, now_s)
                self._history.ask(SnapshotQuestion(AtUpdate(update)), receive)

    def _ask_for_marks(self, now_s: float) -> None:
        outdated = self._marks is None or self._marks.last.update != self._present.tamiyo.last_update
        if now_s >= self._marks_asked_s and outdated:
            self._marks_asked_s = now_s + MARKS_AFTER_S
            self._history.ask(MarksQuestion(), self._receive_marks)

    def _receive_marks(self, answer: Answer) -> None:
        waiting, self._until_marks = self._until_marks, []
        if isinstance(answer, Unanswered):
            if waiting:
                self._say(answer.text)
        elif isinstance(answer, Marks):
            self._marks, self._run_marks = answer, RunMarks(answer.marks)
            self._playhead = self._playhead.extended(first_update(answer), self._playhead.last)
            updates = {mark.place.update for mark in answer.marks}
            self._playhead = self._playhead.with_marks(update for update in updates if update is not None)
            for act in waiting:
                act(answer)

    def _receive(self, update: int, asked_s: float, answer: Answer) -> None:
        self._awaited.discard(update)
        if isinstance(answer, Unanswered):
            self._receive_refusal(update, asked_s, answer)
        elif isinstance(answer, PastSnapshot):
            self._keep(update, answer)

    def _keep(self, asked: int, answer: PastSnapshot) -> None:
        found = answer.place.update
        if found is None:
            self._playhead = self._playhead.extended(asked + 1, self._playhead.last)
        elif found < asked:
            self._playhead = self._playhead.found(asked, found, answer.next_update)
        self._kept[asked if found is None else found] = answer
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def _receive_refusal(self, update: int, asked_s: float, answer: Unanswered) -> None:
        """Where the update is wanted that cannot be had, return to what is shown, and say why."""
        self._retry_s = asked_s + RETRY_AFTER_S
        if self._playhead.position == update and not answer.temporary:
            self._say(answer.text)
            shown = self._shown.place.update if self._shown else None
            self._playhead = self._playhead.at_end() if shown in (None, update) else self._playhead.at(shown)

    def _receive_exact(self, answer: Answer) -> None:
        if isinstance(answer, Unanswered):
            self._say(answer.text)
        elif isinstance(answer, PastSnapshot):
            update = answer.place.update
            self._playhead = self._playhead.at(self._playhead.first if update is None else update)
            self._exact = answer

    def _time_updates(self) -> None:
        """Make the timeline of what is known of the times of updates, if more is known than before."""
        known_by, run = (self._marks, *self._times.answers), self._present.run
        if len(self._timed_by) == len(known_by) and all(map(is_, known_by, self._timed_by)):
            return
        self._timed_by = known_by
        places = [mark.place for mark in self._marks.marks] if self._marks else []
        times = [
            (p.update, p.time_ns / 1e9) for p in places if p.update is not None and p.time_ns is not None
        ]
        if run.started_ns is not None and run.last_event_ns is not None:
            times += [
                (self._playhead.first - 1, run.started_ns / 1e9),
                (self._playhead.last, run.last_event_ns / 1e9),
            ]
        self._playhead = self._playhead.with_timeline(timeline_of(self._times.known() or times))
