"""Tests of esper_tui.panels.decisions."""

from esper_schemas.declarations import HeadSpec
from esper_schemas.events import DecisionMade
from esper_schemas.snapshot import DecisionEntry
from esper_schemas.state import TamiyoState
from esper_tui.panels.decisions import decision_columns, decision_line
from esper_tui.text.spans import plain


def test_a_decision_names_its_relevant_heads_with_their_confidence(make_snapshot):
    """Heads that are not relevant are blank."""
    widths = {"op": 14, "slot": 10, "alpha_speed": 12}
    state, decision = TamiyoState(), make_snapshot().decisions[0]
    columns = plain(decision_columns(state, decision, widths))

    assert columns == "    germ  93% r0c1  83%             "
    assert plain(decision_columns(state, decision, {"op": 15})) == "germinate  93% "


def test_choices_of_own_heads_have_the_names_that_were_declared():
    """A choice without a name has its number; the row of a list names the heads as well."""
    specs = (HeadSpec("move", 3, choices=("left", "stay", "right")), HeadSpec("aim", 9))
    decision = DecisionMade(
        update=1,
        environment=0,
        step=2,
        choices={"move": 2, "aim": 7, "late": 1},
        confidences={"move": 0.93, "aim": 0.5},
    )
    entry, state = DecisionEntry(at_ns=1, producer="p", decision=decision), TamiyoState(head_specs=specs)

    assert plain(decision_columns(state, entry, {"move": 12, "aim": 8})) == " right  93%  7  50% "
    assert plain(decision_line(state, entry)).split()[5:] == [
        "move=right",
        "93%",
        "aim=7",
        "50%",
        "late=1",
        "–",
    ]


def test_names_of_choices_cannot_disturb_the_terminal():
    """Control characters are replaced."""
    decision = DecisionMade(update=1, environment=0, step=2, choices={"m\x1b[2J": 0}, confidences={})
    entry = DecisionEntry(at_ns=1, producer="p", decision=decision)
    state = TamiyoState(head_specs=(HeadSpec("m\x1b[2J", 1, choices=("\x1b]0;x\x07",)),))

    assert plain(decision_line(state, entry)).isprintable()
