"""The table of trainings is consistent."""

from collections import Counter

import pytest
from benchmarks.verdicts.table import (
    BASES,
    CONTINUOUS_TASKS,
    FAULTS,
    MEASURED_TASKS_OF,
    MORE_SEEDS,
    SEEDS,
    TASKS_OF,
    TRUE_OF_FLAT_RETURNS,
    half_of,
    recording_name,
)

from esper_schemas.rules.thresholds import RULE_IDS


def test_every_training_has_a_name_of_its_own():
    """Files of different trainings never have the same name."""
    names = Counter(recording_name(base, fault) for base in BASES for fault in (None, *base.faults()))
    assert set(names.values()) == {1}


def test_faults_are_named_by_rules_that_exist():
    """A rule that is renamed is renamed in the table, too."""
    assert {rule for fault in FAULTS for rule in fault.hits} | set(TRUE_OF_FLAT_RETURNS) <= RULE_IDS


def test_loud_faults_are_named_by_a_rule():
    """A fault without any would be counted as missed for ever."""
    assert all(fault.hits for fault in FAULTS if fault.kind == "loud")


def test_the_halves_share_no_seed():
    """Nothing that is measured was used to choose bounds."""
    seeds = [seed for of_half in SEEDS.values() for seed in of_half]
    assert len(set(seeds)) == len(seeds)
    assert all(len(of_half) >= 3 for of_half in SEEDS.values())
    assert {base.seed for base in BASES} == set(seeds)
    assert {half_of(seed) for seed in MORE_SEEDS} == {"seen", "measured"}


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.name)
def test_a_fault_is_injected_for_tuning_at_other_places_than_otherwise(base):
    """And the training is long enough for it."""
    assert base.place == ("tuning" if base.seed in SEEDS["tuning"] else "measured")
    assert base.fault_begins < base.updates


def test_a_fault_has_a_place_in_each_half():
    """Described in words."""
    assert all(set(fault.places) == {"tuning", "measured"} and all(fault.places.values()) for fault in FAULTS)


def test_there_are_four_trainers_and_six_tasks_besides_the_own_one():
    """Of which at least one is continuous."""
    for tasks_of in (TASKS_OF, MEASURED_TASKS_OF):
        tasks = {task for tasks in tasks_of.values() for task in tasks}
        assert len(tasks_of) >= 4
        assert len(tasks - {"Morph"}) >= 6
        assert tasks & CONTINUOUS_TASKS


def test_faults_begin_after_a_level_could_be_learned():
    """And not all at the same update."""
    begins = {base.fault_begins for base in BASES}
    assert min(begins) >= 20
    assert len(begins) > 1
