"""Tests of esper_tui.panels.panel_content: which panels have something to show."""

import pytest
from msgspec import structs
from tests.tui.foreign import NOW, own_scalars_only, sb3, sb3_run, sb3_state

from esper_schemas import TamiyoState
from esper_schemas.declarations import HeadSpec
from esper_schemas.events import AnomalyDetected, DecisionMade
from esper_schemas.snapshot import (
    EMPTY_SNAPSHOT,
    AnomalyEntry,
    DecisionEntry,
    LogEntry,
    RunInfo,
    SlotsState,
)
from esper_tui.frame import draw
from esper_tui.panels.panel_content import content_rows, cut_text, panels_with_content
from esper_tui.panels.panel_registry import PANELS
from esper_tui.view.view import View

SB3 = {"losses", "findings", "return", "charts", "scalars", "vitals", "link", "ranks", "events"}


def test_another_trainer_has_the_panels_of_what_it_logs():
    """Neither heads nor slots nor gradients nor the critic's details, none of which it measures."""
    assert panels_with_content(sb3()) == SB3


def test_a_run_of_own_scalars_has_no_panel_of_ppo():
    """What the header shows anyway is worth no panel."""
    assert panels_with_content(own_scalars_only()) == {
        "findings",
        "scalars",
        "link",
        "ranks",
        "events",
        "charts",
    }


def test_a_run_of_esper_s_own_trainer_has_every_panel_but_that_of_own_scalars(make_snapshot):
    """So it has before its first update, and before anything is known of the run."""
    everything = PANELS.keys() - {"scalars"}
    started = structs.replace(EMPTY_SNAPSHOT, run=RunInfo(run="digits", baseline_return=0.385))

    for snapshot in (make_snapshot(), started, EMPTY_SNAPSHOT):
        assert panels_with_content(snapshot) == everything


def test_before_the_first_update_another_trainer_has_what_every_run_of_ppo_has():
    """Its losses are waiting; heads that it declares are too."""
    started = structs.replace(EMPTY_SNAPSHOT, run=RunInfo(run="cartpole"))
    declared = structs.replace(started, run=RunInfo(run="cartpole", heads=(HeadSpec("gripper", 3),)))

    assert panels_with_content(started) == {"losses", "findings", "link", "ranks", "events"}
    assert panels_with_content(declared) - panels_with_content(started) == {"heads"}


@pytest.mark.parametrize(
    ("field", "panel"),
    [
        ("lstm_grad_norm", "gradients"),
        ("gradient_cv", "gradients"),
        ("nan_grad_count", "gradients"),
        ("advantage_mean", "health"),
        ("grad_norm_pre_clip", "health"),
        ("value_mean", "value"),
        ("head_op_entropy", "heads"),
    ],
)
def test_one_measured_metric_brings_its_panel(field, panel):
    """The panel has a row for it."""
    assert panels_with_content(sb3(sb3_state(**{field: 1}))) == SB3 | {panel}


ANOMALY = AnomalyDetected(
    update=17, anomaly="kl_spike", severity="critical", metric="kl_divergence", value=0.2, threshold=0.1
)
CHOICE = DecisionMade(update=17, environment=0, step=1, choices={"op": 0}, confidences={"op": 0.5})


def entry(kind, **what):
    """A list entry of the trainer."""
    return kind(at_ns=NOW, producer="trainer:0", **what)


@pytest.mark.parametrize(
    ("fields", "panel"),
    [
        ({"slots": SlotsState(stage_counts=(3, 0, 0, 0, 0, 0, 0))}, "slots"),
        ({"anomalies": (entry(AnomalyEntry, anomaly=ANOMALY),)}, "anomalies"),
        ({"log": (entry(LogEntry, level="warning", message="slow disk"),)}, "log"),
        ({"decisions": (entry(DecisionEntry, decision=CHOICE),)}, "heads"),
    ],
)
def test_reports_bring_their_panel(fields, panel):
    """It does not matter which trainer sent them."""
    assert panels_with_content(sb3(**fields)) == SB3 | {panel}


def test_a_metric_that_was_measured_before_keeps_its_panel():
    """An update that lacks it does not take the panel away."""
    assert panels_with_content(sb3(), frozenset({"lstm_grad_norm"})) == SB3 | {"gradients"}


def test_the_rows_of_a_panel_are_those_that_were_measured():
    """PPO LOSSES has no ratio, but entropy and learning rate."""
    rows = content_rows(sb3())

    assert rows["losses"] == 8
    assert rows["vitals"] == 3
    assert rows["ranks"] == 2
    assert rows["scalars"] == len(sb3().scalars)
    assert content_rows(sb3(sb3_state(value_mean=1.0, value_std=0.5)))["value"] == 3


def test_the_learning_rate_is_in_one_panel():
    """PPO LOSSES leaves it to the panel of the gradients, if that has anything else to show."""
    assert content_rows(sb3(sb3_state(lstm_grad_norm=1.0)))["losses"] == 7


def test_a_run_that_only_names_its_speed_needs_no_vitals():
    """The header shows it."""
    run = sb3_run(mean_length=None, env_steps_total=None)

    assert "vitals" not in panels_with_content(sb3(TamiyoState(), run=run))


@pytest.mark.parametrize(
    ("panel", "height", "said"),
    [
        ("findings", 3, "1-3 of 12"),
        ("findings", 1, "1 of 12"),
        ("findings", 12, ""),
        ("findings", 0, ""),
        ("anomalies", 3, "4-5 of 5"),
        ("anomalies", 6, ""),
        ("log", 2, "3-4 of 4"),
        ("value", 8, "8 of 22"),
        ("vitals", 6, "6 of 12"),
        ("losses", 5, "5 of 7"),
        ("losses", 7, ""),
        ("heads", 1, ""),
    ],
)
def test_a_panel_that_is_cut_says_so(make_snapshot, with_finding, panel, height, said):
    """A list names the rows in sight, which are the last ones of a list that grows at its end."""
    snapshot = make_snapshot()
    for number in range(12):
        snapshot = with_finding(snapshot, "kl_divergence", rule=f"rule_{number}")
    detected = AnomalyDetected(update=1, anomaly="kl_spike", severity="warning", metric="kl_divergence")
    spike = AnomalyEntry(at_ns=NOW, producer="a", anomaly=detected)
    warning = LogEntry(at_ns=NOW, producer="a", level="warning", message="m")
    snapshot = structs.replace(snapshot, anomalies=(spike,) * 5, log=(warning,) * 4)

    assert cut_text(panel, snapshot, height) == said


def test_the_border_of_a_cut_panel_has_the_number_of_its_rows(feeds, now, text):
    """It follows what the border says anyway."""
    drawn = draw(View(feeds["critical"], now), 100, 40)
    borders = {place.panel: text(rows)[0] for place, rows in drawn}

    assert "8 of 22" in borders["value"]
