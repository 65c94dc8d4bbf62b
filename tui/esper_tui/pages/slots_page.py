"""SLOTS, opened: the stages, the outcomes of the observed seeds, and how often each blueprint was tried."""

from collections import Counter
from collections.abc import Iterator

from esper_schemas.heads import Blueprint, Stage
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.pages.page import ALL, Entry, explained_entry
from esper_tui.panels import slots_panel
from esper_tui.text.choice_names import enum_name
from esper_tui.text.explanation import Explanation
from esper_tui.text.numbers import count
from esper_tui.text.spans import Row, Span, Tone, left, right
from esper_tui.view.view import View

STAGES: dict[Stage, Explanation] = {
    Stage.DORMANT: Explanation("An empty slot, free for a new seed."),
    Stage.GERMINATED: Explanation("A seed was placed: its blueprint is chosen, but it is not used yet."),
    Stage.TRAINING: Explanation("The seed is trained beside the host and does not change the host's output."),
    Stage.BLENDING: Explanation("The seed's output is blended in, with a share that moves to its target."),
    Stage.HOLDING: Explanation("The share is at its target; the seed can be kept or pruned."),
    Stage.FOSSILIZED: Explanation(
        "The seed is a permanent part of the host.", "many, if they raise the return"
    ),
    Stage.EMBARGOED: Explanation(
        "The seed was pruned, and the slot stays closed for a few steps.",
        "few",
        "If there are many, see the op head.",
    ),
}


def slot_entries(view: View, width: int) -> list[Entry]:
    """The stages, the outcomes, the blueprints, then the recent changes."""
    rows = slots_panel.slots_rows(view.snapshot, width, ALL)
    if not view.snapshot.slots.stage_counts:
        return [Entry(row) for row in rows]
    stages = rows[: len(view.snapshot.slots.stage_counts)]
    known = [explained_entry(row, STAGES[stage]) for row, stage in zip(stages, Stage, strict=False)]
    outcomes, changes = rows[len(stages) : len(stages) + 1], rows[len(stages) + 1 :]
    others = (*rows[len(known) : len(stages)], *outcomes, *_blueprints(view.snapshot), (), *changes)
    return [*known, *map(Entry, others)]


def _blueprints(snapshot: SanctumSnapshot) -> Iterator[Row]:
    """How often each blueprint was tried recently, the most frequent first."""
    tried = Counter(
        entry.change.blueprint
        for entry in snapshot.slots.changes
        if entry.change.to_stage == Stage.GERMINATED and entry.change.blueprint is not None
    )
    for blueprint, times in tried.most_common():
        name = enum_name(Blueprint, blueprint).lower()
        yield (
            left(name, slots_panel.NAME_WIDTH + 4, Tone.LABEL),
            right(count(times), 3, Tone.VALUE),
            Span(" tried"),
        )
