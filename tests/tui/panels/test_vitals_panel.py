"""Tests of esper_tui.panels.vitals_panel."""

import math
import re

import pytest
from msgspec import structs
from tests.tui.conftest import NOW, SECOND
from tests.tui.foreign import sb3, sb3_run

from esper_schemas.events import VitalsSampled
from esper_tui.panels import vitals_panel
from esper_tui.text.spans import Tone, plain
from esper_tui.view.view import View


@pytest.fixture
def rows_of(make_feed, now):
    """The rows of the panel for a snapshot and a size."""

    def rows(snapshot, width, height, **feed):
        return vitals_panel.vitals_rows(View(make_feed(snapshot, **feed), now), width, height)

    return rows


def test_vitals_distinguish_unused_from_unmeasured(rows_of, make_snapshot, find):
    """A machine without a GPU does not show 0 bytes of GPU memory."""
    rows = rows_of(make_snapshot(), 36, 12)

    assert plain(find(rows, "CPU")).split() == ["CPU", "93", "%"]
    assert plain(find(rows, "Memory")).split() == ["Memory", "429", "MiB"]
    assert plain(find(rows, "GPU memory")).split() == ["GPU", "memory", "–"]
    assert plain(find(rows, "Update")).split() == ["Update", "34.4", "ms"]


def test_every_vital_shows_its_own_number(rows_of, make_snapshot, text):
    """Without a GPU its rows are last; the checkpoint has the age that it had at the last event."""
    run = {
        "env_steps_total": 69632,
        "mean_accuracy": 0.71,
        "rollbacks_total": 2,
        "returns_not_finite_total": 3,
    }
    rows = [line.split() for line in text(rows_of(make_snapshot(**run), 50, 12))]

    assert rows == [
        ["Speed", "12345", "steps/s"],
        ["Update", "34.4", "ms"],
        ["Rollout", "312.0", "ms"],
        ["CPU", "93", "%"],
        ["Memory", "429", "MiB"],
        ["Checkpoint", "10", "1m04s", "ago"],
        ["Host", "accuracy", "0.710"],
        ["Env", "steps", "69632"],
        ["Rollbacks", "2", "3", "NaN", "returns"],
        ["GPU", "–"],
        ["GPU", "memory", "–"],
        ["GPU", "peak", "–"],
    ]


def test_rows_of_a_gpu_follow_those_of_the_cpu(rows_of, make_snapshot, text):
    """A driver may not report the utilisation, which is then a dash."""
    sample = VitalsSampled(cpu_share=0.1, gpu_share=0.87, gpu_memory_bytes=2**30, gpu_memory_peak_bytes=2**31)
    silent = structs.replace(sample, gpu_share=None)
    busy, unknown = (
        text(rows_of(structs.replace(make_snapshot(), vitals=vital), 50, 12)) for vital in (sample, silent)
    )

    assert [line.split() for line in busy[3:8]] == [
        ["CPU", "10", "%"],
        ["Memory", "–"],
        ["GPU", "87", "%"],
        ["GPU", "memory", "1024", "MiB"],
        ["GPU", "peak", "2048", "MiB"],
    ]
    assert unknown[5].split() == ["GPU", "–"]


@pytest.mark.parametrize("width", [28, 29, 30, 31, 32, 50])
def test_units_of_vitals_are_not_cut_in_a_narrow_panel(rows_of, make_snapshot, text, width):
    """The labels move closer to the numbers, which still end in one column."""
    lines = text(rows_of(make_snapshot(), width, 5))

    assert max(map(len, lines)) <= width
    assert lines[0].endswith("12345 steps/s")
    assert len({line.rindex(" ") for line in lines}) == 1


@pytest.mark.parametrize("width", range(3, 45))
def test_vitals_that_have_no_room_are_dropped_whole(rows_of, make_snapshot, text, width):
    """A unit is whole or left out; a number is whole or ends in `…`;"""
    run = {"env_steps_total": 12345678, "rollbacks_total": 2, "returns_not_finite_total": 3}
    lines = text(rows_of(make_snapshot(**run), width, 12))

    assert max(map(len, lines)) <= width
    assert re.search(r"(12345( steps/s)?|\d*…)$", lines[0])
    assert re.search(r"(10( 1m04s ago)?|…)$", lines[5])
    assert re.search(r"2( 3 NaN returns)?$", lines[8])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_vital_that_is_not_a_number_is_red(rows_of, make_snapshot, make_state, find, tone_of, value):
    """This holds for times of the learner and measurements of the machine; neither has a unit then."""
    snapshot = make_snapshot(make_state(update_time_ms=value), steps_per_second=value)
    rows = rows_of(snapshot, 36, 12)

    for label in ("Update", "Speed"):
        row = find(rows, label)
        said = "NaN" if math.isnan(value) else "Inf"
        assert plain(row).split() == [label, said]
        assert tone_of(row, said) is Tone.BEYOND


def test_another_trainer_has_the_rows_of_what_it_measures(rows_of, text):
    """The length of its episodes is among them; a machine that it does not sample is not."""
    rows = [line.split() for line in text(rows_of(sb3(), 50, 12))]

    assert rows == [
        ["Speed", "812", "steps/s"],
        ["Episode", "length", "195.3", "steps"],
        ["Env", "steps", "34816"],
    ]


def test_the_step_of_a_run_that_counts_no_environment_steps_is_shown(rows_of, text):
    """It is the number that the trainer gave to its last values."""
    snapshot = sb3(run=sb3_run(env_steps_total=None))

    assert ["Step", "34816"] in [line.split() for line in text(rows_of(snapshot, 50, 12))]


@pytest.mark.parametrize(
    ("run", "feed", "said"),
    [
        ({}, {}, "10 1m04s ago"),
        ({"last_event_ns": NOW - 50 * SECOND}, {}, "10 1m04s ago"),
        ({"outcome": "completed"}, {}, "10 1m04s before the end"),
        ({}, {"live": False}, "10 1m04s before the end"),
    ],
)
def test_a_checkpoint_is_as_old_as_it_says(rows_of, make_snapshot, find, run, feed, said):
    """Its age grows while the trainer is silent; that of a recording is relative to its end."""
    row = find(rows_of(make_snapshot(**run), 60, 12, **feed), "Checkpoint")

    assert " ".join(plain(row).split()[1:]) == said
