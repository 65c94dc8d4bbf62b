"""Tests of the panels about what runs the training: SLOTS, RANKS, VITALS, LINK, LOG, decisions, layers."""

import math
import re

import pytest
from msgspec import structs

from esper_schemas.events import LayerGradientsSampled, SeedStageChanged, VitalsSampled
from esper_schemas.heads import Blueprint, Stage
from esper_schemas.snapshot import (
    LayerGradientsEntry,
    LinkHealth,
    LogEntry,
    RankState,
    SlotsState,
    StageChangeEntry,
)
from esper_tui.pages.opened_panel import opened_rows
from esper_tui.panels import link_panel, log_panel, ranks_panel, slots_panel, vitals_panel
from esper_tui.panels.decisions import decision_cells
from esper_tui.panels.heads_panel import heads_rows
from esper_tui.text.spans import Tone, plain
from esper_tui.view.view import View


def test_every_stage_has_a_row_with_its_count(make_snapshot, text):
    """And a bar of its share; the changes of watched slots below."""
    lines = text(slots_panel.slots_rows(make_snapshot(), 60, 12))

    assert [line.split()[:2] for line in lines[:3]] == [
        ["dormant", "40"],
        ["germinated", "20"],
        ["training", "50"],
    ]
    assert lines[7].startswith("recent 0 begun")
    assert lines[8].split() == ["R0C1", "CONV_LIGHT", "→", "training", "α", "0.00"]
    assert plain(slots_panel.slots_note(make_snapshot())) == "192 in 64 environments"


@pytest.fixture
def with_changes(make_snapshot):
    """A snapshot in which slots have just come to given stages, with the longest names there are."""

    def make(*stages, alpha=0.123):
        changes = (
            SeedStageChanged(
                update=17,
                environment=0,
                step=4,
                slot=2,
                from_stage=Stage.TRAINING,
                to_stage=stage,
                blueprint=Blueprint.FLEX_ATTENTION,
                alpha=alpha,
            )
            for stage in stages
        )
        entries = tuple(StageChangeEntry(at_ns=0, producer="rank0", change=change) for change in changes)
        slots_now = structs.replace(make_snapshot().slots, changes=entries)
        return structs.replace(make_snapshot(), slots=slots_now)

    return make


@pytest.mark.parametrize("width", [31, 32, 36, 37, 43, 60])
def test_a_change_shows_all_of_its_share_of_blending(with_changes, text, width):
    """In the boxes of the usual windows a blueprint's name is shortened, the number is not."""
    line = text(slots_panel.slots_rows(with_changes(Stage.GERMINATED), width, 9))[8]

    assert len(line) <= width
    assert line.endswith("→ germinated  α 0.12")
    assert line.startswith("R0C2 FLEX")


@pytest.mark.parametrize("width", [22, 29, 30])
def test_where_a_share_of_blending_has_no_room_it_is_left_out(with_changes, text, width):
    """Whole, as a number without its last digit is another number."""
    line = text(slots_panel.slots_rows(with_changes(Stage.FOSSILIZED), width, 9))[8]

    assert len(line) <= width
    assert line.endswith("→ fossilized")
    assert "…" in line


@pytest.mark.parametrize("width", [29, 31, 32, 36, 37, 60])
def test_every_panel_shows_how_many_seeds_survive(with_changes, text, width):
    """The rate stands before the counts that it is made of, which may have no room."""
    stages = (Stage.GERMINATED,) * 12 + (Stage.FOSSILIZED,) * 4 + (Stage.EMBARGOED,)
    line = text(slots_panel.slots_rows(with_changes(*stages), width, 9))[7]

    assert line.startswith("recent 12 begun  80% survive")
    assert ("4 kept" in line) == (width >= 36)


def test_a_stage_keeps_its_count_in_a_narrow_panel(make_snapshot, text):
    """Its name is shortened before a digit is lost."""
    assert text(slots_panel.slots_rows(make_snapshot(), 15, 3))[1] == "germina…     20"


def test_slots_wait_for_the_first_rollout(make_snapshot, text):
    """No zeros before something was counted."""
    empty = structs.replace(make_snapshot(), slots=SlotsState())

    assert text(slots_panel.slots_rows(empty, 60, 12)) == ["waiting for the first rollout"]


def test_stages_of_a_newer_version_have_a_number(make_snapshot, text):
    """They are counted as the others."""
    newer = structs.replace(make_snapshot(), slots=SlotsState(stage_counts=(1,) * 8))

    assert text(slots_panel.slots_rows(newer, 60, 12))[7].split()[:2] == ["#7", "1"]


def test_the_straggler_is_marked(make_snapshot, text):
    """The rank that plays clearly slower than the others: they wait for it."""
    lines = text(ranks_panel.ranks_rows(make_snapshot(), 70, 6))

    assert [line.startswith("!") for line in lines] == [False, False, False, True, False]
    assert lines[3].split() == ["!", "2", "host2:2", "16", "9145", "36.4", "3s"]
    assert plain(ranks_panel.ranks_note(make_snapshot())) == "4 of 4"


def test_the_straggler_is_shown_where_not_all_ranks_fit(make_snapshot, text):
    """It comes first."""
    lines = text(ranks_panel.ranks_rows(make_snapshot(), 70, 3))

    assert lines[1].startswith("! 2 host2:2")
    assert len(lines) == 3


@pytest.fixture
def marked(make_snapshot):
    """The numbers of the ranks that are marked, of as many as differ in this."""

    def of(*differences, world_size=1):
        states = tuple(
            RankState(
                **({"producer": f"r{n}", "rank": n, "last_update": 9, "last_event_ns": 10**12} | fields)
            )
            for n, fields in enumerate(differences)
        )
        snapshot = structs.replace(make_snapshot(world_size=world_size), ranks=states, recent_events=())
        return [int(rank.producer[1:]) for rank in ranks_panel.stragglers(snapshot)]

    return of


def test_ranks_that_are_level_have_no_straggler(marked):
    """Nor has a single one, or none."""
    assert marked({}, {}) == marked({}) == marked() == []


@pytest.mark.parametrize("times", [(80, 101), (80, 81, 101), (80, 8, 80, 80, 101)])
def test_who_plays_clearly_slower_is_marked(marked, times):
    """Below four fifths of the usual speed of the others; one fast rank makes no straggler of the rest."""
    slowest = len(times) - 1

    assert marked(*({"usual_rollout_ms": float(ms)} for ms in times)) == [slowest]
    assert marked(*({"usual_rollout_ms": min(ms, 99.0)} for ms in times)) == []


@pytest.mark.parametrize("ms", [None, math.nan, -math.inf])
def test_a_time_that_is_no_number_makes_no_straggler(marked, ms):
    """Neither of that rank nor of the others."""
    assert marked({"usual_rollout_ms": 100.0}, {"usual_rollout_ms": ms}) == []
    assert marked({"usual_rollout_ms": ms}, {"usual_rollout_ms": 100.0}) == []


def test_one_update_apart_is_a_matter_of_whose_event_came_first(marked):
    """Ranks that wait for each other are never two apart; those that do not are marked."""
    assert marked({"last_update": 9}, {"last_update": 8}) == []
    assert marked({"last_update": 9}, {"last_update": 7}) == [1]


def test_what_ranks_told_in_former_lives_marks_none(marked):
    """After a resume the counts may differ for good, as one had not told its last update."""
    assert marked({"updates": 12}, {"updates": 9}) == []


@pytest.mark.parametrize(("seconds", "who"), [(15, []), (16, [1])])
def test_who_is_silent_while_others_go_on_is_marked(marked, seconds, who):
    """For longer than updates may take."""
    assert marked({}, {"last_event_ns": 10**12 - seconds * 10**9}) == who


def test_ranks_that_have_ended_are_not_waited_for(marked):
    """They are silent because they are done, and their speed is that of a run which was."""
    assert marked({"last_update": 20}, {"last_update": 9, "outcome": "completed"}) == []
    assert marked({"usual_rollout_ms": 50.0, "outcome": "failed"}, {"usual_rollout_ms": 100.0}) == []


def test_a_rank_that_goes_on_under_another_name_has_left_the_first_one(marked):
    """In a world of several; trainers that are each alone in theirs may all be rank 0."""
    before = {"rank": 0, "last_update": 2, "last_event_ns": 10**11}

    assert marked(before, {"rank": 0}, {"rank": 1}, world_size=2) == []
    assert marked(before, {"rank": 0}, {"rank": 1}) == [0]


def test_a_missing_rank_is_a_warning(make_snapshot, tone_of):
    """Three of four."""
    three = structs.replace(make_snapshot(), ranks=make_snapshot().ranks[:3])

    assert tone_of(ranks_panel.ranks_note(three), "3 of 4") is Tone.WARNING


def test_vitals_tell_unused_from_unmeasured(make_snapshot, find):
    """A machine without a GPU has no zero bytes of it."""
    rows = vitals_panel.vitals_rows(make_snapshot(), 36, 12)

    assert plain(find(rows, "CPU")).split() == ["CPU", "93", "%"]
    assert plain(find(rows, "Memory")).split() == ["Memory", "429", "MiB"]
    assert plain(find(rows, "GPU memory")).split() == ["GPU", "memory", "–"]
    assert plain(find(rows, "Update")).split() == ["Update", "34.4", "ms"]


def test_every_vital_shows_its_own_number(make_snapshot, text):
    """Those of a GPU last where there is none; the checkpoint has the age that it had at the last event."""
    run = {
        "env_steps_total": 69632,
        "mean_accuracy": 0.71,
        "rollbacks_total": 2,
        "returns_not_finite_total": 3,
    }
    rows = [line.split() for line in text(vitals_panel.vitals_rows(make_snapshot(**run), 50, 12))]

    assert rows == [
        ["Speed", "12345", "steps/s"],
        ["Update", "34.4", "ms"],
        ["Rollout", "312.0", "ms"],
        ["CPU", "93", "%"],
        ["Memory", "429", "MiB"],
        ["Checkpoint", "10", "1m04s", "ago"],
        ["Host", "accuracy", "0.710"],
        ["Env", "steps", "69632"],
        ["Rollbacks", "2", "!", "3", "NaN", "returns"],
        ["GPU", "–"],
        ["GPU", "memory", "–"],
        ["GPU", "peak", "–"],
    ]


def test_what_a_gpu_does_stands_beside_what_the_processor_does(make_snapshot, text):
    """Where there is one; it may be that its driver does not say how busy it is."""
    sample = VitalsSampled(cpu_share=0.1, gpu_share=0.87, gpu_memory_bytes=2**30, gpu_memory_peak_bytes=2**31)
    silent = structs.replace(sample, gpu_share=None)
    busy, unknown = (
        text(vitals_panel.vitals_rows(structs.replace(make_snapshot(), vitals=vital), 50, 12))
        for vital in (sample, silent)
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
def test_units_of_vitals_are_not_cut_in_a_narrow_panel(make_snapshot, text, width):
    """The labels stand closer, and all numbers still end in one column."""
    lines = text(vitals_panel.vitals_rows(make_snapshot(), width, 5))

    assert max(map(len, lines)) <= width
    assert lines[0].endswith("12345 steps/s")
    assert len({line.rindex(" ") for line in lines}) == 1


@pytest.mark.parametrize("width", range(3, 45))
def test_what_has_no_room_in_vitals_goes_whole(make_snapshot, text, width):
    """A unit is there or it is not; a number is there, or ends in `…`; the mark of a rollback stays."""
    run = {"env_steps_total": 12345678, "rollbacks_total": 2, "returns_not_finite_total": 3}
    lines = text(vitals_panel.vitals_rows(make_snapshot(**run), width, 12))

    assert max(map(len, lines)) <= width
    assert re.search(r"(12345( steps/s)?|\d*…)$", lines[0])
    assert re.search(r"(10( 1m04s ago)?|…)$", lines[5])
    assert re.search(r"2 !( 3 NaN returns)?$", lines[8])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_vital_that_is_no_number_is_critical(make_snapshot, make_state, find, tone_of, value):
    """A time of the learner's as well as what was measured of the machine; neither has a unit."""
    snapshot = make_snapshot(make_state(update_time_ms=value), steps_per_second=value)
    rows = vitals_panel.vitals_rows(snapshot, 36, 12)

    for label in ("Update", "Speed"):
        row = find(rows, label)
        said = "NaN" if math.isnan(value) else "Inf"
        assert plain(row).split() == [label, said, "✗"]
        assert tone_of(row, said) is tone_of(row, "✗") is Tone.CRITICAL


@pytest.mark.parametrize(
    ("field", "label"),
    [
        ("gaps", "Gaps"),
        ("dropped", "Dropped"),
        ("rejected", "Rejected"),
        ("unknown", "Unknown"),
        ("left_out", "Left out"),
    ],
)
def test_what_is_lost_is_marked(make_feed, make_snapshot, find, tone_of, now, field, label):
    """And what is not lost has a tick."""
    lossy = structs.replace(make_snapshot(), link=LinkHealth(events=9, **{field: 3}))
    row = find(link_panel.link_rows(View(make_feed(lossy), now), 60, 12), label)

    assert tone_of(row, "!") is Tone.WARNING
    assert tone_of(row, "3") is Tone.WARNING
    whole = find(link_panel.link_rows(View(make_feed(), now), 60, 12), label)
    assert tone_of(whole, "✓") is Tone.DIM


def test_the_link_is_that_of_now_while_the_picture_is_held(make_feed, make_snapshot, find, now):
    """Held or not, its counts are the newest."""
    newest = make_feed(structs.replace(make_snapshot(), link=LinkHealth(gaps=7)))

    assert "7" in plain(find(link_panel.link_rows(View(make_feed(), now, newest), 60, 12), "Gaps"))


def test_the_log_has_a_mark_for_each_level(make_snapshot, text):
    """Warnings and errors, newest last; the title counts those of the whole run."""
    entries = tuple(
        LogEntry(at_ns=n * 10**9, producer="r0", level=level, message=f"message {n}")
        for n, level in enumerate(("warning", "error", "critical"))
    )
    snapshot = structs.replace(make_snapshot(), log=entries, log_counts={"warning": 9, "error": 1})

    assert text(log_panel.log_rows(snapshot, 60, 5)) == [
        "00:00:00  ! message 0",
        "00:00:01  ✗ message 1",
        "00:00:02  ✗ message 2",
    ]
    assert text(log_panel.log_rows(snapshot, 60, 1)) == ["00:00:02  ✗ message 2"]
    assert plain(log_panel.log_note(snapshot)) == "1 error, 9 warnings"
    assert text(log_panel.log_rows(make_snapshot(), 60, 5)) == ["no warnings and no errors"]


def test_a_decision_names_its_relevant_heads_with_their_confidence(make_snapshot):
    """Other heads are blank."""
    widths = {"op": 14, "slot": 10, "alpha_speed": 12}
    cells = plain(decision_cells(make_snapshot().decisions[0], widths))

    assert cells == "    germ  93% r0c1  83%             "
    assert plain(decision_cells(make_snapshot().decisions[0], {"op": 15})) == "germinate  93% "


def test_high_heads_show_decisions_and_the_gradients_flow(make_snapshot, text):
    """Newest first, below the table."""
    lines = text(heads_rows(make_snapshot(), 116, 22))

    assert lines[15].split() == ["Chosen", "wait", "52%"]
    assert "germ  93%" in lines[16]
    assert lines[18].split()[:4] == ["Flow", "Grad", "CV", "0.31"]


def test_an_opened_panel_lists_the_layers_that_were_sampled(make_snapshot, make_feed, text, now):
    """With the norm of each gradient."""
    sample = LayerGradientsSampled(update=16, grad_norms={"lstm.weight": 0.25})
    entry = LayerGradientsEntry(at_ns=now, producer="r0", sample=sample)
    view = View(make_feed(structs.replace(make_snapshot(), layer_gradients=entry)), now)
    lines = text(opened_rows(view, "gradients", 999, 100, 40))

    assert any(line.split() == ["▸", "lstm.weight", "0.250000"] for line in lines)
    assert any("sampled in update 16" in line for line in lines)
