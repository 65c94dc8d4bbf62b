"""Tests of esper_tui.panels.slots_panel."""

import pytest
from msgspec import structs
from tests.tui.foreign import sb3

from esper_schemas.events import SeedStageChanged
from esper_schemas.heads import Blueprint, Stage
from esper_schemas.snapshot import (
    SlotsState,
    StageChangeEntry,
)
from esper_tui.panels import slots_panel
from esper_tui.text.spans import plain


def test_every_stage_has_a_row_with_its_count(make_snapshot, text):
    """The changes of watched slots are below."""
    lines = text(slots_panel.slots_rows(make_snapshot(), 60, 12))

    assert [line.split()[:2] for line in lines[:3]] == [
        ["dormant", "40"],
        ["germinated", "20"],
        ["training", "50"],
    ]
    assert lines[7].startswith("recent 0 tried")
    assert lines[8].split() == ["rank", "0", "R0C1", "CONV_LIGHT", "→", "training", "α", "0.00"]
    assert plain(slots_panel.slots_note(make_snapshot())) == "192 in 64 environments"


@pytest.fixture
def with_changes(make_snapshot):
    """A snapshot with recent changes to the given stages and the longest blueprint name; of one process."""

    def make(*stages, alpha=0.123, ranks=()):
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
        entries = tuple(StageChangeEntry(at_ns=0, producer="host0:0", change=change) for change in changes)
        slots_now = structs.replace(make_snapshot().slots, changes=entries)
        return structs.replace(make_snapshot(), slots=slots_now, ranks=ranks)

    return make


@pytest.mark.parametrize("width", [31, 32, 36, 37, 43, 60])
def test_a_change_shows_all_digits_of_alpha(with_changes, text, width):
    """In narrow boxes the name of the blueprint is shortened, the number is not."""
    line = text(slots_panel.slots_rows(with_changes(Stage.GERMINATED), width, 9))[8]

    assert len(line) <= width
    assert line.endswith("→ germinated  α 0.12")
    assert line.startswith("R0C2 FLEX")


def test_a_change_has_the_label_of_its_rank_if_there_are_several(with_changes, make_snapshot, text):
    """It is short in a narrow panel, and the share of the blend is kept."""
    snapshot = with_changes(Stage.GERMINATED, ranks=make_snapshot().ranks)
    wide, narrow = (text(slots_panel.slots_rows(snapshot, width, 9))[8] for width in (60, 36))

    assert wide == "rank 0   R0C2 FLEX_ATTENTION → germinated  α 0.12"
    assert narrow == "r0  R0C2 FLEX_… → germinated  α 0.12"


@pytest.mark.parametrize("width", [22, 29, 30])
def test_an_alpha_that_has_no_room_is_left_out(with_changes, text, width):
    """It is left out whole, because a number without its last digit is a different number."""
    line = text(slots_panel.slots_rows(with_changes(Stage.FOSSILIZED), width, 9))[8]

    assert len(line) <= width
    assert line.endswith("→ fossilized")
    assert "…" in line


@pytest.mark.parametrize("width", [29, 31, 32, 36, 37, 60])
def test_every_width_shows_how_many_seeds_survive(with_changes, text, width):
    """The rate comes before the counts, which are dropped first."""
    stages = (Stage.GERMINATED,) * 12 + (Stage.FOSSILIZED,) * 4 + (Stage.EMBARGOED,)
    line = text(slots_panel.slots_rows(with_changes(*stages), width, 9))[7]

    assert line.startswith("recent 12 tried  80% survive")
    assert ("4 kept" in line) == (width >= 36)


def test_a_stage_keeps_its_count_in_a_narrow_panel(make_snapshot, text):
    """Its name is shortened before a digit is lost."""
    assert text(slots_panel.slots_rows(make_snapshot(), 15, 3))[1] == "germina…     20"


def test_slots_wait_for_the_first_rollout(make_snapshot, text):
    """There are no zeros before anything was counted."""
    empty = structs.replace(make_snapshot(), slots=SlotsState())

    assert text(slots_panel.slots_rows(empty, 60, 12)) == ["waiting for the first rollout"]


def test_stages_of_a_newer_version_have_a_number(make_snapshot, text):
    """They are counted like the others."""
    newer = structs.replace(make_snapshot(), slots=SlotsState(stage_counts=(1,) * 8))

    assert text(slots_panel.slots_rows(newer, 60, 12))[7].split()[:2] == ["#7", "1"]


def test_a_trainer_without_slots_is_not_waited_for(text):
    """The opened panel says that there are none."""
    assert text(slots_panel.slots_rows(sb3(), 60, 12)) == ["this run reports no slots"]
