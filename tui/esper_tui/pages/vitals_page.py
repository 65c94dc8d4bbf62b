"""VITALS, opened: machine and speed, and the recent checkpoints."""

from collections.abc import Iterator

from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.metrics.metric_help import about_metric
from esper_tui.pages.page import Entry, explained_entry
from esper_tui.panels.vitals_panel import LABEL_WIDTH, VALUE_WIDTH, Vital, checkpoint_age, vitals
from esper_tui.text.explanation import Explanation
from esper_tui.text.numbers import count, number, time_of_day
from esper_tui.text.spans import Span, Tone, clean, left, right
from esper_tui.view.view import View

CHECKPOINT = Explanation(
    "A checkpoint: the update after which it was saved, when, how long writing took, where, and by which "
    "trainer.",
    "no longer than a few updates",
    "On a slow disk fewer checkpoints are saved, and training does not wait; `--checkpoint-every` requests "
    "fewer.",
)


def vitals_entries(view: View, width: int) -> list[Entry]:
    """All vitals, then the checkpoints, newest first."""
    snapshot = view.snapshot
    return [
        *(_vital(snapshot, vital) for vital in vitals(snapshot, checkpoint_age(view))),
        *_checkpoints(snapshot),
    ]


def _vital(snapshot: SanctumSnapshot, vital: Vital) -> Entry:
    if not vital.metric:
        return explained_entry(vital.row, vital.explanation)
    return Entry(
        vital.row, lambda width: about_metric(snapshot, vital.metric, width), metrics=(vital.metric,)
    )


def _checkpoints(snapshot: SanctumSnapshot) -> Iterator[Entry]:
    if snapshot.checkpoints:
        yield Entry(())
    for entry in reversed(snapshot.checkpoints):
        saved = entry.checkpoint
        took = "" if saved.duration_ms is None else f"  in {number(saved.duration_ms, 0, 7)} ms"
        row = (
            left("Saved after", LABEL_WIDTH, Tone.LABEL),
            right(count(saved.update), VALUE_WIDTH, Tone.VALUE),
            Span(f"  {time_of_day(entry.at_ns)}{took}  ", Tone.DIM),
            Span(f"{clean(saved.path)}  "),
            Span(f"by {clean(entry.producer)}", Tone.DIM),
        )
        yield explained_entry(row, CHECKPOINT)
