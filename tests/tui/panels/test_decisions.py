"""Tests of esper_tui.panels.decisions."""

from esper_schemas.state import TamiyoState
from esper_tui.panels.decisions import decision_columns
from esper_tui.text.spans import plain


def test_a_decision_names_its_relevant_heads_with_their_confidence(make_snapshot):
    """Heads that are not relevant are blank."""
    widths = {"op": 14, "slot": 10, "alpha_speed": 12}
    state, decision = TamiyoState(), make_snapshot().decisions[0]
    columns = plain(decision_columns(state, decision, widths))

    assert columns == "    germ  93% r0c1  83%             "
    assert plain(decision_columns(state, decision, {"op": 15})) == "germinate  93% "
