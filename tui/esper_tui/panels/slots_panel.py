"""SLOTS: the number of seeds in each stage, and the recent changes in the observed environments."""

from collections import Counter

from esper_schemas.heads import Blueprint, Slot, Stage
from esper_schemas.snapshot import SanctumSnapshot, StageChangeEntry
from esper_tui.charts.bars import bar
from esper_tui.text.choice_names import enum_name
from esper_tui.text.numbers import count, number, percent
from esper_tui.text.spans import Row, Rows, Span, Tone, crop, fit_items, left, right
from esper_tui.view.measured_fields import is_of_tamiyo
from esper_tui.view.rank_labels import WIDTH as RANK_WIDTH
from esper_tui.view.rank_labels import rank_labels, short_label

TITLE = "SLOTS"
WAITING = "waiting for the first rollout"
NO_SLOTS = "this run reports no slots"
NAME_WIDTH, COUNT_WIDTH = 12, 7
SLOT_WIDTH, ARROW_WIDTH, STAGE_WIDTH, ALPHA_WIDTH = 5, 2, 10, 8
WIDE, SHORT_RANK_WIDTH = 48, 4
"""The width from which on the label of a rank is written in full, and that of a short one."""
SEED_WIDTH, SHORTEST_SEED = 15, 6
"""The width down to which a blueprint is shortened before the blending share is left out."""
STAGE_TONES: dict[Stage, Tone] = {
    Stage.DORMANT: Tone.DIM,
    Stage.GERMINATED: Tone.VALUE,
    Stage.TRAINING: Tone.VALUE,
    Stage.BLENDING: Tone.VALUE,
    Stage.HOLDING: Tone.VALUE,
    Stage.FOSSILIZED: Tone.GOOD,
    Stage.EMBARGOED: Tone.WARNING,
}


def slots_rows(snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """A row for each stage, then a summary of the recent changes, then these, newest last."""
    counts = snapshot.slots.stage_counts
    if not counts:
        is_late = snapshot.tamiyo.ppo_data_received and not is_of_tamiyo(snapshot.run)
        words = NO_SLOTS if is_late else WAITING
        return ((Span(words, Tone.DIM),),)[:height]
    total = sum(max(number, 0) for number in counts)
    rows = [_stage(index, number, total, width) for index, number in enumerate(counts[:20])]
    rows.append(_outcomes(snapshot, width))
    room = height - len(rows)
    labels, label_width = rank_labels(snapshot), RANK_WIDTH if width >= WIDE else SHORT_RANK_WIDTH
    for entry in snapshot.slots.changes[-room:] if room > 0 else ():
        label = short_label(labels, entry.producer, label_width - 1)
        labelled = (left(label, label_width, Tone.DIM),) if label else ()
        rows.append((*labelled, *_change(entry, width - (label_width if label else 0))))
    return tuple(rows[: max(height, 0)])


def slots_note(snapshot: SanctumSnapshot) -> Row:
    """For the border: the number of slots and of environments."""
    counts, environments = snapshot.slots.stage_counts, snapshot.run.environments
    if not counts or environments is None:
        return ()
    return (Span(f"{count(sum(counts))} in {count(environments)} environments", Tone.DIM),)


def _stage(index: int, number_of: int, total: int, width: int) -> Row:
    tone = _tone(index) if number_of else Tone.DIM
    share = number_of / total if total else 0.0
    return (
        left(enum_name(Stage, index).lower(), max(min(NAME_WIDTH, width - COUNT_WIDTH), 0), Tone.LABEL),
        right(count(number_of), COUNT_WIDTH, tone),
        Span("  "),
        *bar(share, max(width - NAME_WIDTH - COUNT_WIDTH - 2, 0), tone),
    )


def _tone(index: int) -> Tone:
    return STAGE_TONES[Stage(index)] if 0 <= index < len(Stage) else Tone.PLAIN


def _outcomes(snapshot: SanctumSnapshot, width: int) -> Row:
    """The outcomes of the recent changes, and the blueprint that was tried most."""
    changes = [entry.change for entry in snapshot.slots.changes]
    to = Counter(change.to_stage for change in changes)
    tried = Counter(
        c.blueprint for c in changes if c.to_stage == Stage.GERMINATED and c.blueprint is not None
    )
    kept, pruned = to[Stage.FOSSILIZED], to[Stage.EMBARGOED]
    items: list[Row] = [
        (
            Span("recent ", Tone.LABEL),
            Span(f"{to[Stage.GERMINATED]}", Tone.VALUE),
            Span(" tried", Tone.LABEL),
        ),
        *_rate(kept, pruned),
        (Span(f"{kept}", Tone.GOOD), Span(" kept", Tone.LABEL)),
        (Span(f"{pruned}", Tone.WARNING if pruned else Tone.DIM), Span(" pruned", Tone.LABEL)),
    ]
    for blueprint, _ in tried.most_common(1):
        items.append((Span("mostly ", Tone.LABEL), Span(enum_name(Blueprint, blueprint).lower())))
    return fit_items(items, width)


def _rate(kept: int, pruned: int) -> list[Row]:
    """The share of seeds that were kept, of those that were kept or pruned."""
    known = kept + pruned
    return [(Span(percent(kept / known, 4)), Span(" survive", Tone.LABEL))] if known else []


def _change(entry: StageChangeEntry, width: int) -> Row:
    change = entry.change
    seed = "" if change.blueprint is None else enum_name(Blueprint, change.blueprint)
    room = width - SLOT_WIDTH - ARROW_WIDTH - STAGE_WIDTH
    alpha = change.alpha if room >= SHORTEST_SEED + ALPHA_WIDTH else None
    seed_width = max(min(SEED_WIDTH, room - (0 if alpha is None else ALPHA_WIDTH)), 0)
    return (
        left(enum_name(Slot, change.slot), SLOT_WIDTH, Tone.LABEL),
        left(crop(seed, max(seed_width - 1, 0)), seed_width),
        Span("→ ", Tone.DIM),
        left(enum_name(Stage, change.to_stage).lower(), STAGE_WIDTH, _tone(change.to_stage)),
        Span("" if alpha is None else f"  α {number(alpha, 2, 4)}", Tone.DIM),
    )
