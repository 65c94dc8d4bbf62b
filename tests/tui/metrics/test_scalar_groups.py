"""Tests of esper_tui.metrics.scalar_groups."""

import math

import pytest
from tests.tui.foreign import sb3, scalar

from esper_schemas.declarations import MetricSpec
from esper_schemas.snapshot import ScalarState
from esper_tui.metrics.scalar_groups import beyond, natural_order, prefix_of, scalar_groups


def snapshot(*names, specs=()):
    """A snapshot with scalars of these names."""
    return sb3(scalars={name: scalar((0, 1)) for name in names}, metric_specs={s.name: s for s in specs})


@pytest.mark.parametrize(
    ("name", "prefix"), [("eval/mean/x", "eval/"), ("score", ""), ("", ""), ("/", "/"), ("a/", "a/")]
)
def test_a_prefix_ends_with_the_first_slash(name, prefix):
    """A name without one has an empty prefix."""
    assert prefix_of(name) == prefix


def test_groups_are_by_prefix_and_names_in_natural_order():
    """Layer 2 comes before layer 10."""
    groups = scalar_groups(snapshot("b/layer.10", "b/layer.2", "a/x", "score"))

    assert [(group.prefix, group.names) for group in groups] == [
        ("", ("score",)),
        ("a/", ("a/x",)),
        ("b/", ("b/layer.2", "b/layer.10")),
    ]


def test_groups_with_a_described_scalar_are_first():
    """So are the described scalars of a group."""
    groups = scalar_groups(snapshot("a/x", "b/x", "b/y", specs=[MetricSpec(name="b/y")]))

    assert [group.names for group in groups] == [("b/y", "b/x"), ("a/x",)]


def test_scalars_can_be_left_out_of_their_groups():
    """A group without any other is left out whole."""
    groups = scalar_groups(snapshot("a/x", "b/x", "b/y"), frozenset({"a/x", "b/x"}))

    assert [group.names for group in groups] == [("b/y",)]


def test_the_worst_scalars_are_first():
    """A described one that is not finite, then critical, then warning ones; the others are not among them."""
    bounds = {"warning_above": 1.0, "critical_above": 2.0}
    values = {"warning": 1.5, "critical": 2.5, "fine": 0.5, "nan": math.nan, "critical 2": 3.0}
    scalars = {name: ScalarState(value=value, history=(0.0, value)) for name, value in values.items()}
    specs = {name: MetricSpec(name=name, **bounds) for name in values}

    assert beyond(sb3(scalars=scalars, metric_specs=specs)) == ("nan", "critical", "critical 2", "warning")


def test_the_order_of_names_with_numbers_of_any_length_is_total():
    """Digits of other scripts and very long numbers are compared too."""
    names = ["a1", "a" + "9" * 40, "a٣", "a2b10", "a2b9", "", "²"]

    expected = ["", "a1", "a2b9", "a2b10", "a" + "9" * 40, "a٣", "²"]

    assert sorted(names, key=natural_order) == expected
