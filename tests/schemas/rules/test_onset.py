"""An anomaly has one onset, and the next one only after it has ended."""

import pytest

from esper_schemas.rules.anomaly_rules import COLLAPSE_WITHIN, AnomalyRule
from esper_schemas.rules.onset import Onset

ABOVE = AnomalyRule(kind="k", quantities=("value_loss",), bound=1.0, updates=2, calm=2, clears=2.0)
BELOW = AnomalyRule(kind="k", quantities=("value_loss",), bound=0.1, below=True, fall=0.5, floor=0.01)


def onsets(rule, *values, witnessed=True):
    """The indices of the values with which the anomaly begins; None is an update without a value."""
    onset, found = Onset(), []
    for place, value in enumerate(values):
        if value is None:
            onset.skip()
        elif onset.begins(rule, value, rule.bound, witnessed=witnessed):
            found.append(place)
    return found


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ((2.0, 2.0), [1]),  # with the second value in a row
        ((2.0, 0.0, 2.0), []),
        ((2.0, None, 2.0), [2]),  # an update without a value does not interrupt
        ((2.0, 2.0, 2.0, 2.0), [1]),  # once while it lasts
        ((2.0, 2.0, 0.0, 0.0, 2.0, 2.0), [1, 5]),  # over after two calm updates
        ((2.0, 2.0, 0.0, 2.0, 2.0), [1]),  # not after one
        ((2.0, 2.0, 0.8, 0.8, 2.0, 2.0), [1]),  # 0.8 is not within 1 / 2
        ((1.0, 1.0), []),  # a value on the bound
    ],
)
def test_an_anomaly_begins_after_enough_values_and_ends_after_enough_calm_ones(values, found):
    """It begins after two values above 1, and ends after two at or below 0.5."""
    assert onsets(ABOVE, *values) == found


def test_an_anomaly_that_is_not_witnessed_does_not_begin():
    """This holds however long it lasts."""
    assert onsets(ABOVE, *[2.0] * 9, witnessed=False) == []


def test_a_low_value_counts_if_it_fell_or_is_below_the_floor():
    """It has to fall by 0.5 within ten updates, including those without a value; 0.005 is below the floor."""
    assert onsets(BELOW, 0.6, 0.05) == [1]
    assert onsets(BELOW, 0.5, 0.05) == []
    assert onsets(BELOW, 0.6, *[None] * (COLLAPSE_WITHIN - 2), 0.05) == [COLLAPSE_WITHIN - 1]
    assert onsets(BELOW, 0.6, *[None] * (COLLAPSE_WITHIN - 1), 0.05) == []
    assert onsets(BELOW, 0.05, 0.005) == [1]


def test_an_onset_continues_from_its_state():
    """The state has the counts of values beyond the bound and of calm ones, and the recent values."""
    first, second = Onset(), Onset()
    assert not first.begins(ABOVE, 2.0, 1.0, witnessed=True)
    second.load(first.state())

    assert second.begins(ABOVE, 2.0, 1.0, witnessed=True)
    assert second.state() == [2, 0, True, [2.0, 2.0]]
