"""Tests of esper_tui.panels.losses_panel: the records TELE-131 and TELE-132, and the rows around them."""

import math
import re

import pytest
from tests.tui.foreign import sb3

from esper_schemas import CATALOGUE
from esper_schemas.judgement import trend
from esper_schemas.state import Trend
from esper_tui.frame import draw
from esper_tui.panels.losses_panel import losses_note, losses_rows
from esper_tui.text.spans import Tone, plain
from esper_tui.view.view import View

WIDTHS = (54, 78, 116, 80)
BLOCKS = "[▁▂▃▄▅▆▇█]"


@pytest.fixture
def row(make_snapshot, make_state, with_finding, find):
    """One row of the panel, by its label, for a state with some fields changed and a finding about some."""

    def make(label, width=116, *, about=(), severity="critical", **fields):
        snapshot = with_finding(make_snapshot(make_state(**fields)), *about, severity=severity)
        return find(losses_rows(snapshot, width, 7), label)

    return make


@pytest.mark.parametrize("width", WIDTHS)
def test_tele_131_policy_loss_has_three_decimals_sparkline_and_trend(row, width):
    """The row has the last ten values, the value with three decimals, and the trend."""
    line = plain(row("P.Loss", width, policy_loss=0.04149, trends={"policy_loss": Trend.FALLING}))

    assert re.match(rf"P\.Loss +{BLOCKS}{{10}} +0\.041 ↘", line)


@pytest.mark.parametrize("name", ["policy_loss", "value_loss"])
def test_tele_131_132_the_sparkline_has_the_last_ten_values(row, name):
    """A shorter history is padded on the left."""
    label = {"policy_loss": "P.Loss", "value_loss": "V.Loss"}[name]
    line = plain(row(label, **{f"{name}_history": (1.0, 2.0, 3.0)}))

    assert "───────▁▅█" in line


@pytest.mark.parametrize("name", ["policy_loss", "value_loss"])
@pytest.mark.parametrize(("change", "arrow"), [(0.19, "→"), (0.21, "↗"), (-0.21, "↘")])
def test_tele_131_132_a_change_of_a_fifth_is_a_trend(row, name, change, arrow):
    """The mean of the newer half of the history is compared with that of the older half."""
    label = {"policy_loss": "P.Loss", "value_loss": "V.Loss"}[name]
    history = (1.0,) * 5 + (1.0 + change,) * 5
    direction = trend(history, CATALOGUE[name].metric.trend_threshold)

    assert f" {arrow} " in plain(row(label, trends={name: direction}))


def test_tele_131_oscillation_is_shown(row):
    """An oscillating loss is volatile, which its mean alone would not show."""
    history = (1.0, 1.1, 1.0, 1.1, 1.0, 3.0, -1.0, 3.0, -1.0, 3.0)
    direction = trend(history, CATALOGUE["policy_loss"].metric.trend_threshold)

    assert direction is Trend.VOLATILE
    assert " ~ " in plain(row("P.Loss", trends={"policy_loss": direction}))


def test_tele_131_a_negative_policy_loss_keeps_its_sign(row):
    """The surrogate objective is signed."""
    assert "-0.041" in plain(row("P.Loss", policy_loss=-0.0412))


def test_tele_131_policy_loss_has_no_bounds_of_its_own(row):
    """Its size depends on the advantages, so no value is ok or critical."""
    line = plain(row("P.Loss", policy_loss=1234.5))

    assert not set("✓!✗") & set(line)
    assert "ok" not in line


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_tele_131_a_policy_loss_that_is_not_finite_is_critical(row, tone_of, value):
    """NaN or infinity is red; the finding that follows from it adds its mark."""
    said = {"nan": "NaN", "inf": "Inf", "-inf": "-Inf"}[str(value)]
    alone, found = row("P.Loss", policy_loss=value), row("P.Loss", policy_loss=value, about=("policy_loss",))

    assert tone_of(alone, said) is Tone.BEYOND
    assert "✗" not in plain(alone)
    assert tone_of(found, said) is tone_of(found, "✗") is Tone.CRITICAL


@pytest.mark.parametrize("width", WIDTHS)
def test_tele_132_value_loss_has_three_decimals_sparkline_and_trend(row, width):
    """The row is like that of the policy loss, with a mark."""
    line = plain(row("V.Loss", width, value_loss=1.2345, trends={"value_loss": Trend.RISING}))

    assert re.match(rf"V\.Loss +{BLOCKS}{{10}} +1\.23[45] ↗ ✓", line)


@pytest.mark.parametrize(
    ("value", "mark", "tone"),
    [
        (0.5, "✓", Tone.VALUE),
        (5.0, "✓", Tone.VALUE),
        (0.01, "✓", Tone.VALUE),
        (0.001, "✓", Tone.VALUE),
        (5.1, "", Tone.WARNING),
        (20.0, "", Tone.WARNING),
        (0.0005, "", Tone.WARNING),
        (20.1, "", Tone.BEYOND),
        (math.inf, "", Tone.BEYOND),
        (math.nan, "", Tone.BEYOND),
    ],
)
def test_tele_132_value_loss_is_coloured_by_its_bands(row, value, mark, tone):
    """It is healthy up to 5, a warning above that or below 0.001, and critical above 20 or if not finite."""
    line = row("V.Loss", value_loss=value)

    assert tone in {span.tone for span in line[1:]}
    assert "".join(char for char in plain(line) if char in "✓!✗") == mark


@pytest.mark.parametrize(
    ("severity", "mark", "tone"), [("warning", "!", Tone.WARNING), ("critical", "✗", Tone.CRITICAL)]
)
def test_a_value_that_a_finding_is_about_has_its_mark_and_tone(row, tone_of, severity, mark, tone):
    """Those of the finding, whichever band the value is beyond; no other row is marked."""
    about = {"about": ("value_loss",), "severity": severity}
    line, other = (row(label, value_loss=20.1, clip_fraction=0.9, **about) for label in ("V.Loss", "Clip"))

    assert tone_of(line, mark) is tone
    assert next(span.tone for span in line if "20.100" in span.text) is tone
    assert not {"!", "✗"} & set(plain(other))


def test_a_finding_that_outlasts_its_sign_leaves_no_alarm(row):
    """The value is within its bands again."""
    assert "✓" in plain(row("V.Loss", value_loss=0.5, about=("value_loss",)))


@pytest.mark.parametrize(
    ("policy_loss", "value_loss", "written", "mark"),
    [
        (0.5, 0.5, "1.00", "✓"),
        (-0.5, 0.5, "1.00", "✓"),
        (1.0, 5.0, "5.00", "✓"),
        (1.0, 0.2, "0.20", "✓"),
        (1.0, 5.1, "5.10", "ok"),
        (1.0, 10.0, "10.00", "ok"),
        (1.0, 0.15, "0.15", "ok"),
        (1.0, 0.1, "0.10", "ok"),
        (1.0, 10.1, "10.10", "ok"),
        (1.0, 0.09, "0.09", "ok"),
        (math.nan, 1.0, "NaN", "ok"),
    ],
)
def test_tele_131_132_loss_ratio_is_ticked_within_its_bands(row, policy_loss, value_loss, written, mark):
    """It is healthy between 0.2 and 5, whatever the sign of P.Loss; beyond that the bounds follow without a
    mark.
    """
    line = plain(row("Lv/Lp", policy_loss=policy_loss, value_loss=value_loss))

    assert line.split()[:3] == ["Lv/Lp", written, mark]


def test_tele_131_132_loss_ratio_shows_its_bounds(row):
    """The row ends with the ok range and the critical bounds."""
    assert plain(row("Lv/Lp")).rstrip().endswith("ok 0.2–5      critical < 0.1 or > 10")


@pytest.mark.parametrize(
    ("value_loss", "tone"),
    [(1.0, Tone.VALUE), (6.0, Tone.WARNING), (11.0, Tone.BEYOND), (0.05, Tone.BEYOND)],
)
def test_tele_132_loss_ratio_is_cyan_yellow_or_red(row, value_loss, tone):
    """It is cyan while healthy, yellow for a warning, and red if critical."""
    line = row("Lv/Lp", policy_loss=1.0, value_loss=value_loss)

    assert tone in {span.tone for span in line if span.text.strip()[:1].isdigit()}


@pytest.mark.parametrize("policy_loss", [0.0, 1e-11, -1e-11])
def test_tele_131_132_loss_ratio_is_undefined_where_the_policy_loss_vanishes(row, policy_loss):
    """The row has neither a number nor a mark."""
    line = plain(row("Lv/Lp", policy_loss=policy_loss)).split()

    assert line[:2] == ["Lv/Lp", "---"]
    assert not {"✓", "!", "✗"} & set(line)


@pytest.mark.parametrize(
    ("trend", "arrow"),
    [
        (Trend.UNKNOWN, " "),
        (Trend.STABLE, "→"),
        (Trend.RISING, "↗"),
        (Trend.FALLING, "↘"),
        (Trend.VOLATILE, "~"),
    ],
)
def test_the_arrow_shows_the_direction_only(row, trend, arrow):
    """It has no colour, and the mark beside it does not depend on it."""
    line = row("V.Loss", value_loss=0.5, trends={"value_loss": trend})
    spans = [span for span in line if span.text == f" {arrow} "]

    assert [span.tone for span in spans] == [Tone.PLAIN]
    assert "✓" in plain(line)


def test_tele_200_110_112_explained_variance_kl_and_clip_have_history_value_and_mark(row):
    """Each value has the precision of the catalogue."""
    about = {"about": ("explained_variance", "kl_divergence", "clip_fraction")}
    expected = {
        "Expl.Var": rf"Expl\.Var +{BLOCKS}{{10}} +-0\.400 . ✗",
        "KL": rf"KL +{BLOCKS}{{10}} +0\.0171 . ✗",
        "Clip": rf"Clip +{BLOCKS}{{10}} +0\.300 . ✗",
    }
    bad = {"explained_variance": -0.4, "kl_divergence": 0.0171, "clip_fraction": 0.3}

    assert all(re.match(pattern, plain(row(label, **bad, **about))) for label, pattern in expected.items())


@pytest.mark.parametrize("width", WIDTHS)
def test_clip_fraction_shows_its_directions(row, width):
    """The shares above and below the clip range are shown at every width, each in its own colour."""
    line = row("Clip", width, clip_fraction_positive=0.072, clip_fraction_negative=0.2)
    tones = {span.text.strip(): span.tone for span in line if span.text[:1] in "↑↓"}

    assert tones == {"↑7.2%": Tone.PLAIN, "↓20.0%": Tone.WARNING}


@pytest.mark.parametrize("width", WIDTHS)
def test_joint_ratio_shows_both_extremes(row, width):
    """The largest and the smallest ratio have a mark each."""
    about = {"about": ("joint_ratio_min",)}
    line = plain(row("Ratio joint", width, joint_ratio_max=1.5, joint_ratio_min=0.1, **about))

    assert re.search(r"Ratio joint +1\.500 +✓", line)
    assert re.search(r"min 0\.100 +✗", line)


def test_what_was_not_measured_is_a_dash(row):
    """A trainer that measures less causes no zeros on the screen."""
    line = plain(row("KL", kl_divergence=None, kl_divergence_history=(None,) * 10))

    assert line.split()[:3] == ["KL", "··········", "–"]


def test_tele_131_132_before_the_first_update_every_row_is_waiting(feeds):
    """The default of the records is 0.0; a default is not shown as a measurement."""
    rows = [plain(row) for row in losses_rows(feeds["waiting"].snapshot, 116, 7)]

    assert all("waiting" in row for row in rows)
    assert not any(re.search(r"0\.000|1\.000|✓", row) for row in rows)


def test_the_title_shows_the_update_or_what_is_not_finite(make_snapshot, make_state, with_finding):
    """NaN gradients and skipped steps are in the title only if there are any; a mark is that of a finding."""
    unhealthy = make_snapshot(make_state(nan_grad_count=7, inf_grad_count=0, skipped_steps=2))
    found = with_finding(unhealthy, "skipped_steps")

    assert plain(losses_note(make_snapshot(make_state(ppo_updates_count=50)))) == "update 17"
    assert plain(losses_note(unhealthy)) == "7 NaN grads  2 Skipped steps"
    assert plain(losses_note(found)) == "✗ 2 Skipped steps  7 NaN grads"


def test_tele_100_the_title_shows_that_a_run_warms_up(make_snapshot, make_state):
    """A run warms up for its first fifty updates."""
    young = make_state(ppo_updates_count=49)

    assert plain(losses_note(make_snapshot(young))) == "warming up 49/50  update 17"


@pytest.mark.parametrize(
    ("entropy", "velocity", "risk", "said"),
    [
        (0.2, -0.02, 0.9, "entropy 0.1 in ~5"),
        (0.2, -0.02, 0.69, ""),
        (0.2, 0.02, 0.9, ""),
        (0.05, -0.02, 1.0, ""),
        (math.nan, -0.02, 0.9, ""),
        (None, -0.02, 0.9, ""),
    ],
)
def test_tele_122_the_title_counts_down_to_the_bound_of_the_entropy(
    make_snapshot, make_state, entropy, velocity, risk, said
):
    """It shows the updates until the critical bound, while the risk is critical and the entropy falls;
    whether that is a collapse, the findings say.
    """
    state = make_state(
        entropy_normalized=entropy,
        entropy_velocity=velocity,
        collapse_risk_score=risk,
        ppo_updates_count=50,
    )

    assert plain(losses_note(make_snapshot(state))) == (said or "update 17")


WORST = {
    "nan_grad_count": 7,
    "inf_grad_count": 3,
    "skipped_steps": 9,
    "entropy_normalized": 0.2,
    "entropy_velocity": -0.02,
    "collapse_risk_score": 0.9,
}


@pytest.mark.parametrize("width", [40, 60, 76, 80, 99, 100, 120, 140, 160, 180, 200, 240, 300])
def test_the_title_shows_what_a_finding_is_about_first(
    make_snapshot, make_state, make_feed, with_finding, now, width
):
    """It comes first in every window; other counts and the entropy ahead follow if they fit."""
    snapshot = with_finding(make_snapshot(make_state(**WORST)), "skipped_steps")
    view = View(make_feed(snapshot), now)
    place, rows = next((p, rows) for p, rows in draw(view, width, 50) if p.panel == "losses")
    title = plain(rows[0])

    assert "✗ 9 Skipped steps" in title
    assert ("  7 NaN grads" in title) == (place.width >= 47)


def test_critical_counts_come_before_warnings(make_snapshot, make_state):
    """Nine skipped steps are critical, one NaN gradient is a warning."""
    state = make_state(nan_grad_count=1, skipped_steps=9)

    assert plain(losses_note(make_snapshot(state))) == "9 Skipped steps  1 NaN grads"


@pytest.mark.parametrize("width", range(24, 120))
def test_no_label_is_cut_where_there_is_room(make_snapshot, width):
    """A label without a sparkline uses its space; from 46 cells on, the smallest joint ratio follows."""
    rows = [plain(row)[:width] for row in losses_rows(make_snapshot(), width, 7)]

    assert not any("…" in row for row in rows)
    assert any(row.startswith("Ratio joint ") for row in rows)
    assert any("min 0.612" in row for row in rows) == (width >= 46)


@pytest.fixture
def value_loss(make_snapshot, make_state, with_finding):
    """The row of V.Loss, which a finding is about, in a panel of a given width."""

    def shown(width, value):
        state = make_state(value_loss=value, trends={"value_loss": Trend.RISING})
        return plain(losses_rows(with_finding(make_snapshot(state), "value_loss"), width, 7)[5])[:width]

    return shown


@pytest.mark.parametrize("width", range(13, 34))
def test_in_a_narrow_panel_the_number_and_its_mark_stay(value_loss, width):
    """Arrow and label are dropped before them."""
    line = value_loss(width, 50.0)

    assert re.search(r" 50\.000 .*✗", line)
    assert ("↗" in line) == (width >= 23)
    assert ("V.Loss" in line) == (width >= 15)


@pytest.mark.parametrize("width", range(4, 34))
def test_a_number_that_has_no_room_is_abbreviated(value_loss, width):
    """The narrowest panels show thousands or `#`, never the first digits of a number."""
    spellings = r"(12345\.68|12345\.7|12346|12\.3k|12k|1e4|##|#)"

    assert re.search(rf"(^|\s|…){spellings} .?.?✗", value_loss(width, 12345.678))


def test_the_losses_are_dropped_last(make_snapshot, text):
    """A panel with three rows shows P.Loss, V.Loss and Lv/Lp."""
    labels = [line.split()[0] for line in text(losses_rows(make_snapshot(), 60, 3))]

    assert labels == ["P.Loss", "V.Loss", "Lv/Lp"]


def test_the_bounds_shown_are_those_of_the_catalogue(row):
    """The row of the KL divergence has the bounds of its bands."""
    bands = CATALOGUE["kl_divergence"].metric.bands

    assert f"ok ≤ {bands.warning_above}" in plain(row("KL"))
    assert f"critical > {bands.critical_above}" in plain(row("KL"))


def test_another_trainer_has_the_rows_of_what_it_measures(text):
    """Entropy and learning rate are among them; the ratio and the sides of the clipping are not."""
    lines = text(losses_rows(sb3(), 100, 11))

    assert [line.split()[0] for line in lines] == [
        "Expl.Var",
        "KL",
        "Clip",
        "P.Loss",
        "V.Loss",
        "Lv/Lp",
        "Entropy",
        "Learning",
    ]
    assert not any(" – " in line or "–%" in line for line in lines)


@pytest.mark.parametrize(("height", "last"), [(7, "Entropy"), (6, "Lv/Lp"), (2, "V.Loss")])
def test_in_a_low_panel_the_losses_precede_the_guests(text, height, last):
    """The most important rows are those that are kept."""
    assert text(losses_rows(sb3(), 100, height))[-1].startswith(last)
