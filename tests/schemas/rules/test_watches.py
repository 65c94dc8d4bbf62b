"""Every watch has bounds, which follow from the catalogue or are its own."""

import math

import pytest

from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import CATALOGUE, QUANTITIES
from esper_schemas.metrics.overrides import overridden
from esper_schemas.rules.bounded_watches import bounded_watches
from esper_schemas.rules.entropy_fall import FALLS_OF_TAMIYO
from esper_schemas.rules.quantities import NOT_FINITE, OF_ROLLOUTS, OTHER_NOT_FINITE, RELATIVE
from esper_schemas.rules.rules import RULES
from esper_schemas.rules.watches import WATCH_NAMES

BOUNDED = list(bounded_watches(QUANTITIES))


def bounds(name, head=None, quantities=QUANTITIES):
    """The bounds of one watch."""
    (watch,) = (w for w in bounded_watches(quantities) if (w.name, w.head) == (name, head))
    return watch.warning, watch.critical


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("large_kl", None, (pytest.approx(0.05), pytest.approx(0.1))),
        ("no_kl", None, (1e-7, -math.inf)),  # its own, and never critical
        ("ratio_explosion", "op", (1.5**4, 1.5**4)),
        ("low_head_entropy", "op", (pytest.approx(0.1), pytest.approx(0.1))),  # of 0.25 for "entropy"
        ("value_loss_growth", None, (20.0, 2000.0)),
    ],
)
def test_bounds_are_those_of_the_catalogue_moved_outwards(name, head, expected):
    """They are multiplied by the factor of the watch and raised to its power."""
    assert bounds(name, head) == expected


def test_an_inclusive_bound_becomes_the_last_value_within_it():
    """A clip fraction of 0.25, times 5 / 3, is beyond its bound, the float below it is not."""
    warning, _ = bounds("large_clip")
    bound = 0.25 * 5 / 3

    assert warning == math.nextafter(bound, 0.0)


def test_a_projects_bounds_replace_those_of_the_catalogue():
    """A bound that is removed, or so large that its power overflows, is infinite."""
    large_kl = "[kl_divergence]\nwarning_above = 0.1\ncritical_above = inf\n"
    quantities = overridden(large_kl + "[head_ratio_max]\ncritical_above = 1e300\n")

    assert bounds("large_kl", quantities=quantities) == (pytest.approx(1 / 3), math.inf)
    assert bounds("ratio_explosion", "op", quantities) == (math.inf, math.inf)


def test_every_watch_is_about_a_quantity_that_exists():
    """For a family of fields there is one watch per head."""
    quantities = {*CATALOGUE, *RELATIVE, *OF_ROLLOUTS, *FALLS_OF_TAMIYO}

    assert {watch.metric for watch in BOUNDED} <= quantities
    assert {watch.head for watch in BOUNDED if watch.name == "ratio_collapse"} == set(HEADS)
    assert {watch.only_where for watch in BOUNDED} - {""} <= set(CATALOGUE)
    assert set(NOT_FINITE) <= quantities


def test_every_rule_is_about_symptoms_that_exist():
    """A symptom is a watch, or a value that is not finite."""
    symptoms = {*WATCH_NAMES, *NOT_FINITE.values(), OTHER_NOT_FINITE}
    signs = [
        (*rule.signs, *rule.together_with, *rule.unless, *rule.while_one_of, *rule.not_while)
        for rule in RULES
    ]
    named = {sign.symptom for group in signs for sign in group}
    named |= {name for rule in RULES for name in rule.context}

    assert named <= symptoms


def test_a_bound_itself_is_not_beyond():
    """Values above an upper bound are beyond it, and values below a lower one."""
    upper = next(watch for watch in BOUNDED if not watch.below)
    lower = next(watch for watch in BOUNDED if watch.below)

    assert [upper.is_beyond(value, 1.0) for value in (0.9, 1.0, 1.1)] == [False, False, True]
    assert [lower.is_beyond(value, 1.0) for value in (0.9, 1.0, 1.1)] == [True, False, False]
