"""Tests of esper_tui.pages.findings_page."""

from esper_tui.pages.findings_page import finding_entries
from esper_tui.view.view import View


def test_opened_findings_list_metrics_beyond_their_bounds(make_feed, make_snapshot, make_state, now, text):
    """Each metric has a row and its help; the worst comes first, and heads have their names."""
    snapshot = make_snapshot(make_state(collapse_risk_score=0.8, head_alpha_speed_ratio_max=1.3))
    entries = finding_entries(View(make_feed(snapshot), now), 118)
    rows = text([entry.row for entry in entries])

    assert [row.split("  ")[0] for row in rows[1:]] == ["Collapse", "Ratio α speed"]
    assert any("TELE-122" in line for line in text(entries[1].details(118)))
