"""Tests of esper_tui.panels.findings_panel."""

from msgspec import structs
from tests.tui.foreign import own_scalars_only

from esper_tui.panels.findings_panel import findings_note, findings_rows
from esper_tui.text.spans import Tone, plain


def test_every_title_is_shown_before_any_detail(feeds, text):
    """Two rows hold two titles; further rows hold details of the first finding."""
    snapshot = feeds["critical"].snapshot
    two, three = (text(findings_rows(snapshot, 70, rows)) for rows in (2, 3))

    assert [line[0] for line in two] == ["✗", "!"]
    assert two[0].endswith("since 12")
    assert three[1].startswith("  → Lower the learning rate")
    assert three[2].startswith("! Head op")


def test_evidence_has_its_update(feeds, text):
    """It is in chronological order."""
    lines = text(findings_rows(feeds["critical"].snapshot, 70, 12))

    assert [line.split()[0] for line in lines[2:4]] == ["11", "12"]


def test_the_title_counts_findings_in_the_tone_of_the_worst(feeds):
    """It is critical if one finding is, and empty without findings."""
    critical, warning = (findings_note(feeds[name].snapshot) for name in ("critical", "warning"))
    assert critical == (("✗", Tone.CRITICAL), (" 2 findings", Tone.CRITICAL))
    assert warning == (("!", Tone.WARNING), (" 1 finding", Tone.WARNING))
    assert findings_note(feeds["healthy"].snapshot) == ()


def test_no_finding_is_shown_only_after_an_update(feeds, text):
    """Before the first update there is nothing to evaluate."""
    assert text(findings_rows(feeds["healthy"].snapshot, 70, 4)) == ["✓ no finding in 17 updates"]
    assert text(findings_rows(feeds["waiting"].snapshot, 70, 4)) == ["waiting for the first update"]


def test_values_beyond_their_bands_are_not_the_headline(make_snapshot, make_state, text):
    """Most healthy runs have some, so that their number says nothing."""
    state = make_state(collapse_risk_score=0.8, head_alpha_speed_ratio_max=1.3)

    assert text(findings_rows(make_snapshot(state), 70, 4)) == ["✓ no finding in 17 updates"]
    assert findings_rows(make_snapshot(state), 40, 0) == ()


def test_a_notice_is_quiet(make_snapshot, with_finding):
    """It has no mark and no tone of an alarm, and is not counted in the border."""
    snapshot = with_finding(make_snapshot(), "entropy_normalized", severity="notice", rule="policy_converged")
    (row,) = findings_rows(snapshot, 60, 1)

    assert plain(row).startswith("· A title")
    assert plain(row).rstrip().endswith("since 12")
    assert row[0].tone is Tone.PLAIN
    assert findings_note(snapshot) == ()


def test_advice_that_is_too_long_is_marked(feeds):
    """It ends with an ellipsis."""
    finding = structs.replace(feeds["warning"].snapshot.findings[0], advice=("x" * 100,))
    snapshot = structs.replace(feeds["warning"].snapshot, findings=(finding,))

    assert plain(findings_rows(snapshot, 40, 4)[1]).endswith("x…")


def test_a_run_of_scalars_waits_for_no_update(text):
    """It says what cannot be judged."""
    assert text(findings_rows(own_scalars_only(), 60, 4)) == ["no finding; no metric of PPO was logged"]
