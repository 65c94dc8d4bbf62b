"""Tests of esper_tui.panels.findings_panel."""

from msgspec import structs

from esper_tui.panels.findings_panel import findings_note, findings_rows
from esper_tui.text.spans import Tone, plain


def test_every_title_comes_before_any_detail_is_left_out(feeds, text):
    """Two rows are two titles; more show what there is to know of the first."""
    snapshot = feeds["critical"].snapshot
    two, three = (text(findings_rows(snapshot, 70, rows)) for rows in (2, 3))

    assert [line[0] for line in two] == ["✗", "!"]
    assert two[0].endswith("since 12")
    assert three[1].startswith("  → Lower the learning rate")
    assert three[2].startswith("! Head op")


def test_evidence_stands_with_its_update(feeds, text):
    """In the order of time."""
    lines = text(findings_rows(feeds["critical"].snapshot, 70, 12))

    assert [line.split()[0] for line in lines[2:4]] == ["11", "12"]


def test_the_title_counts_them_in_the_tone_of_the_worst(feeds):
    """Critical if one is; nothing where there is none."""
    critical, warning = (findings_note(feeds[name].snapshot) for name in ("critical", "warning"))
    assert critical == (("✗", Tone.CRITICAL), (" 2 findings", Tone.CRITICAL))
    assert warning == (("!", Tone.WARNING), (" 1 finding", Tone.WARNING))
    assert findings_note(feeds["healthy"].snapshot) == ()


def test_nothing_wrong_is_said_only_after_an_update(feeds, text):
    """Before there is nothing to judge."""
    assert text(findings_rows(feeds["healthy"].snapshot, 70, 4)) == ["✓ no findings"]
    assert text(findings_rows(feeds["waiting"].snapshot, 70, 4)) == ["waiting for the first update"]


def test_without_a_finding_what_is_beyond_its_bounds_is_named(make_snapshot, make_state, text):
    """Single values do not make up a finding, and "nothing is wrong" would deny the marks beside them."""
    state = make_state(collapse_risk_score=0.8, head_alpha_speed_ratio_max=1.3)
    said = "2 metrics beyond their bounds: Collapse, Ratio alpha speed"

    assert text(findings_rows(make_snapshot(state), 70, 4)) == ["no findings", said]
    assert text(findings_rows(make_snapshot(state), 40, 2))[1] == said[:39] + "…"
    assert text(findings_rows(make_snapshot(state), 40, 1)) == ["no findings"]
    assert findings_rows(make_snapshot(state), 40, 0) == ()


def test_advice_that_is_too_long_is_marked(feeds):
    """It stands whole in the opened panel."""
    finding = structs.replace(feeds["warning"].snapshot.findings[0], advice=("x" * 100,))
    snapshot = structs.replace(feeds["warning"].snapshot, findings=(finding,))

    assert plain(findings_rows(snapshot, 40, 4)[1]).endswith("x…")
