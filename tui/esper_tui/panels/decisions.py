"""The last decisions of the policy: the choice of each head and its probability."""

import math

from esper_schemas.policy_heads import head_spec, is_own
from esper_schemas.snapshot import DecisionEntry, SanctumSnapshot
from esper_schemas.state import TamiyoState
from esper_tui.text.choice_names import choice_name, head_label
from esper_tui.text.numbers import number, time_of_day
from esper_tui.text.spans import Row, Rows, Span, Tone, left, right
from esper_tui.view.rank_labels import WIDTH as RANK_WIDTH
from esper_tui.view.rank_labels import rank_labels, short_label

PERCENT_WIDTH = 5


def decision_columns(state: TamiyoState, entry: DecisionEntry, widths: dict[str, int]) -> Row:
    """One decision in the columns of the heads; a head without a part in it is blank."""
    row: list[Span] = []
    for head, width in widths.items():
        row.extend(_column(state, entry, head, width))
    return tuple(row)


def _column(state: TamiyoState, entry: DecisionEntry, head: str, width: int) -> Row:
    choice = entry.decision.choices.get(head)
    if choice is None:
        return (Span(" " * width),)
    room = width - PERCENT_WIDTH - 1
    name = right(choice_name(head_spec(state, head), choice, room), room)
    return (name, right(confidence(entry, head), PERCENT_WIDTH, Tone.DIM), Span(" "))


def confidence(entry: DecisionEntry, head: str) -> str:
    """The probability of a choice in whole percent: "93%"."""
    share = entry.decision.confidences.get(head)
    if share is None or not math.isfinite(share):
        return number(share, 0, 4)
    return number(share * 100, 0, 3) + "%"


def decision_line(state: TamiyoState, entry: DecisionEntry, rank: str = "") -> Row:
    """One decision as a row of its own, with the label of its rank if there are several.

    Choices of own heads have the name of their head.
    """
    decision = entry.decision
    spans = [
        *([left(rank, RANK_WIDTH, Tone.DIM)] if rank else []),
        Span(time_of_day(entry.at_ns), Tone.DIM),
        Span("  "),
        left(f"env {number(decision.environment, 0, 5)} step {number(decision.step, 0, 4)}", 20, Tone.LABEL),
    ]
    for head, choice in decision.choices.items():
        spec = head_spec(state, head)
        if is_own(spec):
            spans.append(Span(f"{head_label(head)}=", Tone.LABEL))
        spans.append(Span(choice_name(spec, choice)))
        spans.append(Span(f" {confidence(entry, head)}  ", Tone.DIM))
    return tuple(spans)


def decision_lines(snapshot: SanctumSnapshot) -> Rows:
    """All decisions of the snapshot, newest last."""
    labels = rank_labels(snapshot)
    return tuple(
        decision_line(snapshot.tamiyo, entry, short_label(labels, entry.producer))
        for entry in snapshot.decisions
    )
