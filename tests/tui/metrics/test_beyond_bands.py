"""Tests of esper_tui.metrics.beyond_bands: since when a value is beyond its bands, and what is usual."""

import math

import pytest
from msgspec import structs
from tests.tui.foreign import SUCCESS, sb3, scalar

from esper_schemas.findings import Symptom
from esper_schemas.snapshot import ScalarState
from esper_tui.metrics.beyond_bands import scalar_standing, standing, standing_text

OK, LOW = 0.5, -0.4


@pytest.fixture
def explained(make_snapshot, make_state):
    """A snapshot after 200 updates with a history of the explained variance, which is critical below 0."""

    def make(*history, updates=200, **fields):
        state = make_state(
            explained_variance=history[-1],
            explained_variance_history=history,
            last_update=updates,
            ppo_updates_count=updates,
        )
        return structs.replace(make_snapshot(state), **fields)

    return make


@pytest.mark.parametrize(
    ("history", "short", "sentence"),
    [
        (
            (OK,) * 7 + (LOW,) * 3,
            "since 198",
            "beyond its bands since 198; that alone is not a finding",
        ),
        ((OK,) * 9 + (LOW,), "since 200", "beyond its bands since 200; that alone is not a finding"),
        ((LOW,) * 3, "since 198", "beyond its bands since 198; that alone is not a finding"),
        (
            (LOW,) * 10,
            "usual here",
            "usual here: beyond its bands since 191 or earlier, and no finding came of it",
        ),
        (
            (LOW,) * 8 + (OK, LOW),
            "usual here",
            "usual here: beyond its bands in 9 of the last 10 updates, and no finding came of it",
        ),
        ((OK,) + (LOW,) * 9, "since 192", "beyond its bands since 192; that alone is not a finding"),
        ((OK,) * 8 + (LOW, math.nan), "since 200", "not finite since 200; that alone is not a finding"),
        ((OK,) * 9 + (0.2,), "since 200", "beyond its bands since 200; that alone is not a finding"),
    ],
)
def test_the_history_shows_since_when_a_value_is_beyond_its_bands(explained, history, short, sentence):
    """It is usual if the whole history began beyond them and was there most of the time."""
    found = standing(explained(*history), "explained_variance")

    assert (found.short, found.sentence) == (short, sentence)


def test_a_value_within_its_bands_has_no_standing(explained):
    """Nor has one that was not measured."""
    assert standing(explained(LOW, OK), "explained_variance") is None
    assert standing(explained(LOW, None), "explained_variance") is None


@pytest.mark.parametrize(("since", "short"), [(150, "since 150"), (90, "usual here")])
def test_a_symptom_shows_a_beginning_before_the_history(explained, since, short):
    """A value that is a symptom for more than half of the run is usual."""
    symptom = Symptom(name="unexplained_returns", metric="explained_variance", since_update=since)
    snapshot = explained(*(LOW,) * 10, symptoms=(symptom,))

    assert standing(snapshot, "explained_variance").short == short
    assert f"since {since}" in standing(snapshot, "explained_variance").sentence


def test_a_finding_takes_the_place_of_the_standing(explained, with_finding):
    """Its title and its beginning are what matters."""
    snapshot = with_finding(explained(*(LOW,) * 10), "explained_variance", since=42)
    beyond = standing(snapshot, "explained_variance")

    assert standing_text(snapshot, "explained_variance", beyond) == "A title, since 42"
    assert standing_text(snapshot, "value_loss", None) == ""


@pytest.mark.parametrize(
    ("values", "short"),
    [
        ((0.9, 0.9, 0.2), "in its last value"),
        ((0.9, 0.2, 0.2), "in its last 2 values"),
        ((0.2,) * 10, "usual here"),
    ],
)
def test_a_metric_of_the_run_counts_its_own_values(values, short):
    """It need not be logged with every update."""
    state = ScalarState(value=values[-1], update=9, history=values)

    assert scalar_standing(sb3(scalars={SUCCESS.name: state}), SUCCESS.name).short == short


def test_a_metric_of_the_run_within_its_bounds_has_no_standing():
    """There is nothing to explain."""
    snapshot = sb3(scalars={SUCCESS.name: scalar((0.6, 0.9))})

    assert scalar_standing(snapshot, SUCCESS.name) is None
