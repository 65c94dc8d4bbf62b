"""A streak has its onset, length and worst value; streaks of several ranks are merged."""

import itertools
import math
from typing import ClassVar

import pytest

from esper_schemas.findings import Symptom
from esper_schemas.rules.streaks import Streaks, merged_symptoms
from esper_schemas.rules.watch import GAP

KEY = ("large_kl", "kl_divergence")


def streaks_of(*values, below=False):
    """Streaks after some observations: a value beyond its bound, or None for one within it."""
    streaks = Streaks()
    for update, value in enumerate(values, 1):
        if value is not None:
            streaks.extend(KEY, None, update, value, below=below)
        streaks.end_observation()
    return streaks


def test_a_streak_begins_with_its_first_value_and_counts_the_others():
    """Values between them that are within the bound are not counted."""
    streak = streaks_of(None, 3.0, None, 5.0, 4.0).open[KEY]

    assert (streak.since_update, streak.last_update, streak.updates) == (2, 5, 3)
    assert (streak.value, streak.worst, streak.worst_update) == (3.0, 5.0, 4)


@pytest.mark.parametrize(
    ("values", "below", "worst"),
    [
        ((3.0, 5.0, 4.0), False, 5.0),
        ((3.0, 1.0, 2.0), True, 1.0),
        ((math.inf, math.nan, 9.0), False, math.nan),
        ((math.nan, math.inf), False, math.nan),
    ],
)
def test_the_worst_value_is_the_one_farthest_beyond_the_bound(values, below, worst):
    """It is the smallest one for a lower bound; NaN is worse than any number."""
    found = streaks_of(*values, below=below).open[KEY].worst

    assert found == worst or (math.isnan(found) and math.isnan(worst))


def test_a_streak_ends_after_more_than_the_gap():
    """It is kept as not active; the next value begins another one."""
    gap = [None] * GAP

    assert streaks_of(3.0, *gap).ended == {}
    ended = streaks_of(3.0, *gap, None, 7.0)
    assert [(s.value, s.active) for s in ended.symptoms()] == [(3.0, False), (7.0, True)]


def test_the_severity_follows_from_the_worst_part_of_a_streak():
    """It is warning, critical if any update was critical, or not finite if any value was not."""
    streak = streaks_of(3.0).open[KEY]
    severities = [streak.symptom(KEY, active=True).severity]
    streak.critical_updates = 1
    severities.append(streak.symptom(KEY, active=True).severity)
    streak.finite = False
    severities.append(streak.symptom(KEY, active=True).severity)

    assert severities == ["warning", "critical", "not finite"]


class TestRanks:
    """Symptoms of several ranks as one."""

    KL: ClassVar = {"name": "large_kl", "metric": "kl_divergence"}
    RANKS = (
        Symptom(**KL, since_update=5, last_update=9, value=0.02, worst=0.02),
        Symptom(
            **KL,
            severity="critical",
            since_update=7,
            last_update=7,
            critical_since=7,
            critical_updates=1,
            value=0.5,
            worst=0.5,
            worst_update=7,
        ),
        Symptom(**KL, since_update=6, last_update=8, critical_since=8, value=0.016, worst=0.04),
        Symptom(name="no_kl", metric="kl_divergence", since_update=1, last_update=2, active=False),
    )

    def test_the_earliest_beginning_and_the_worst_value_count(self):
        """An ended symptom of one rank is not merged with an active one of another."""
        over, kl = merged_symptoms(self.RANKS)

        assert not over.active
        assert kl == Symptom(
            name="large_kl",
            metric="kl_divergence",
            severity="critical",
            since_update=5,
            last_update=9,
            critical_since=7,
            critical_updates=1,
            value=0.02,
            worst=0.5,
            worst_update=7,
        )

    def test_the_order_of_the_ranks_does_not_matter(self):
        """All 24 orders give the same result."""
        merged = {merged_symptoms(order) for order in itertools.permutations(self.RANKS)}

        assert len(merged) == 1
