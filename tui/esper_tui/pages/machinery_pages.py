"""Opened panels about what runs the training: slots, machine, ranks, link and runs."""

import textwrap
from collections import Counter
from collections.abc import Iterator

from esper_schemas.heads import Blueprint, Stage
from esper_schemas.snapshot import RankState, SanctumSnapshot
from esper_tui.metrics.metric_help import about_metric
from esper_tui.pages.page import ALL, Entry, explanation_entry, wrapped
from esper_tui.panels import slots_panel
from esper_tui.panels.link_panel import link_explanations, link_rows
from esper_tui.panels.ranks_panel import ranks_rows
from esper_tui.panels.vitals_panel import LABEL_WIDTH, VALUE_WIDTH, Vital, vitals
from esper_tui.text.choice_names import enum_name
from esper_tui.text.explanation import Explanation, explanation_rows
from esper_tui.text.numbers import count, number, time_of_day
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, left, right
from esper_tui.view.view import View


def vitals_entries(view: View, width: int) -> list[Entry]:
    """Machine and speed, then the checkpoints that are known."""
    snapshot = view.snapshot
    return [*(_vital(snapshot, vital) for vital in vitals(snapshot)), *_checkpoints(snapshot)]


def _vital(snapshot: SanctumSnapshot, vital: Vital) -> Entry:
    if not vital.metric:
        return explanation_entry(vital.row, vital.explanation)
    return Entry(vital.row, lambda width: about_metric(snapshot, vital.metric, width))


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
        yield explanation_entry(row, SAVED)


SAVED = Explanation(
    "A checkpoint: the update after which it was saved, when, how long it took to write, where, and by whom.",
    "no longer than a few updates",
    "A slow disk gets fewer checkpoints, training does not wait; `--checkpoint-every` asks for fewer.",
)
STAGES: dict[Stage, Explanation] = {
    Stage.DORMANT: Explanation("An empty slot, open to a new seed."),
    Stage.GERMINATED: Explanation(
        "A seed was put in; its blueprint is chosen, and nothing of it is used yet."
    ),
    Stage.TRAINING: Explanation("The seed learns beside the host, whose output it does not change."),
    Stage.BLENDING: Explanation("Its output is mixed in, with a share that goes to its target."),
    Stage.HOLDING: Explanation("It is mixed in at its target, and can be kept or pruned."),
    Stage.FOSSILIZED: Explanation("It is part of the host for good.", "many, where they raise the return"),
    Stage.EMBARGOED: Explanation(
        "It was pruned, and the slot stays closed for a few steps.", "few", "If many: see the op head."
    ),
}


def slot_entries(view: View, width: int) -> list[Entry]:
    """The stages, what became of the seeds that are watched, and what was tried."""
    rows = slots_panel.slots_rows(view.snapshot, width, ALL)
    if not view.snapshot.slots.stage_counts:
        return [Entry(row) for row in rows]
    stages = rows[: len(view.snapshot.slots.stage_counts)]
    known = [explanation_entry(row, STAGES[stage]) for row, stage in zip(stages, Stage, strict=False)]
    fates, changes = rows[len(stages) : len(stages) + 1], rows[len(stages) + 1 :]
    others = (*rows[len(known) : len(stages)], *fates, *_tried(view.snapshot), (), *changes)
    return [*known, *map(Entry, others)]


def _tried(snapshot: SanctumSnapshot) -> Iterator[Row]:
    """How often each blueprint was begun with lately."""
    begun = Counter(
        entry.change.blueprint
        for entry in snapshot.slots.changes
        if entry.change.to_stage == Stage.GERMINATED and entry.change.blueprint is not None
    )
    for blueprint, times in begun.most_common():
        name = enum_name(Blueprint, blueprint).lower()
        yield (
            left(name, slots_panel.NAME_WIDTH + 4, Tone.LABEL),
            right(count(times), 3, Tone.VALUE),
            Span(" begun"),
        )


def rank_entries(view: View, width: int) -> list[Entry]:
    """The ranks as in the panel, each with where it runs."""
    rows, ranks = ranks_rows(view.snapshot, width, ALL), view.snapshot.ranks
    titles, listed = rows[: len(rows) - len(ranks)], rows[len(rows) - len(ranks) :]
    return [
        *map(Entry, titles),
        *(_rank(row, rank) for row, rank in zip(listed, ranks, strict=True)),
    ]


def _rank(row: Row, rank: RankState) -> Entry:
    where = f"Process {count(rank.pid)} on {rank.host or 'an unknown host'}, {count(rank.events)} events."
    last = "" if rank.last_event_ns is None else f" Last heard at {time_of_day(rank.last_event_ns)}."
    return Entry(row, lambda width: (*explanation_rows(STRAGGLER, width), *wrapped(where + last, width)))


STRAGGLER = Explanation(
    "One trainer process. Where it is marked the others wait for it, as its last rollouts were clearly "
    "slower; or it is silent, or updates behind, while they go on.",
    "all about as fast, silent for no longer than an update takes",
    "Look at the machine of the one that is marked: another program, a slow disk, a thermal limit.",
)


def link_entries(view: View, width: int) -> list[Entry]:
    """The counters with what they mean."""
    rows = link_rows(view, width, ALL)
    return [explanation_entry(row, about) for row, about in zip(rows, link_explanations(), strict=True)]


def run_entries(view: View, width: int) -> list[Entry]:
    """The runs of the aggregator; of the one that is watched all that it was started with."""
    return [_run(view.snapshot, run) for run in view.link.runs or (view.snapshot.run.run,)]


def _run(snapshot: SanctumSnapshot, run: str) -> Entry:
    row = (Span(clean(run)),)
    if run != snapshot.run.run:
        return Entry(row, lambda width: wrapped("enter watches this run", width, Tone.DIM))
    return Entry((*row, Span("  watched", Tone.DIM)), lambda width: _facts(snapshot, width))


def _facts(snapshot: SanctumSnapshot, width: int) -> Rows:
    facts = snapshot.run.config or {"task": snapshot.run.task, "seed": snapshot.run.seed}
    said = (f"{clean(name)} {'–' if value is None else clean(str(value))}" for name, value in facts.items())
    lines = textwrap.wrap(" · ".join(said), max(width, 10))
    return (*wrapped("Started with", width, Tone.LABEL), *((Span(line),) for line in lines))
