"""The run's own metrics: kept, bounded, judged by their own bounds, and merged over the ranks."""

import math

import pytest
from tests.aggregator.fold.validated import fold_all, project

from esper_aggregator.fold.own_scalars import MAX_SCALARS
from esper_schemas import events as e
from esper_schemas.declarations import MetricSpec
from esper_schemas.snapshot import ScalarState


def logged(step=None, **values):
    """One call of `log`."""
    return e.ScalarsLogged(values=values, step=step)


def defined(name, **bounds):
    """One call of `define`."""
    return e.MetricDefined(metric=MetricSpec(name=name, **bounds))


@pytest.fixture
def snapshot_of(record_of):
    """Folds events and projects the state."""
    return lambda *events: project(fold_all(record_of(event, seq=seq) for seq, event in enumerate(events)))


def test_a_metric_has_its_last_values_and_their_place(snapshot_of):
    """A value that is logged again at the same step replaces the earlier one."""
    snapshot = snapshot_of(
        logged(10, policy_loss=1.0, kl_ref=1.0),
        logged(10, kl_ref=2.0),
        logged(20, policy_loss=1.0, kl_ref=3.0),
    )

    assert snapshot.scalars == {"kl_ref": ScalarState(value=3.0, update=2, step=20, history=(2.0, 3.0))}


def test_the_history_of_a_metric_has_ten_values(snapshot_of):
    """The newest ones."""
    history = snapshot_of(*(logged(kl_ref=float(n)) for n in range(25))).scalars["kl_ref"].history

    assert history == tuple(float(n) for n in range(15, 25))


def test_names_are_bounded_and_the_run_says_so(snapshot_of):
    """A name that changes with every update does not fill the memory."""
    names = {f"loss/{n}": 1.0 for n in range(MAX_SCALARS + 5)}
    snapshot = snapshot_of(e.ScalarsLogged(values=names), logged(kl_ref=1.0))

    assert len(snapshot.scalars) == MAX_SCALARS
    assert snapshot.link.left_out == 6
    assert [entry.message for entry in snapshot.log] == [
        f"More than {MAX_SCALARS} names were logged; loss/{MAX_SCALARS} and others are left out."
    ]


def test_a_long_name_is_shortened(snapshot_of):
    """It could fill the screen and the memory."""
    (name,) = snapshot_of(e.ScalarsLogged(values={"x" * 5000: 1.0})).scalars

    assert name == "x" * 99 + "…"


@pytest.mark.parametrize(
    ("bounds", "values", "rule"),
    [
        ({"warning_above": 1.0}, (2.0, 2.0, 2.0), "own_metric_warning"),
        ({"warning_below": 1.0}, (0.5, 0.5, 0.5), "own_metric_warning"),
        ({"critical_above": 10.0}, (11.0, 12.0), "own_metric_critical"),
        ({"warning_above": 1.0, "critical_above": 10.0}, (2.0, 2.0, 11.0, 12.0), "own_metric_critical"),
        ({"critical_below": 0.0}, (-1.0, -1.0), "own_metric_critical"),
        ({"warning_above": 1.0}, (math.nan, math.nan), "own_metric_critical"),
    ],
)
def test_a_metric_beyond_its_own_bounds_is_a_finding(snapshot_of, bounds, values, rule):
    """The finding names the metric."""
    snapshot = snapshot_of(defined("kl_ref", **bounds), *(logged(n, kl_ref=v) for n, v in enumerate(values)))

    assert [finding.rule for finding in snapshot.findings] == [rule]
    assert snapshot.findings[0].title.startswith("kl_ref ")
    assert snapshot.findings[0].evidence[0].text.startswith("kl_ref ")


def test_each_metric_is_judged_by_its_own_bounds_alone(snapshot_of):
    """What is within its bounds, has none, or came back within them, is no finding."""
    events = [defined("kl_ref", warning_above=1.0), defined("length", warning_below=5.0)]
    events += [logged(kl_ref=2.0, length=9.0, undefined=math.nan) for _ in range(3)]
    assert [finding.title for finding in snapshot_of(*events).findings] == ["kl_ref is beyond its bound"]

    events += [logged(kl_ref=0.5) for _ in range(5)]
    rules = {finding.rule for finding in snapshot_of(*events).findings}
    assert rules <= {"data_lost"}  # the second snapshot has the numbers after those of the first


def test_a_definition_may_change(snapshot_of):
    """The latest one is valid from then on."""
    snapshot = snapshot_of(
        defined("kl_ref", unit="nats"), defined("kl_ref", unit="bits"), defined("x" * 500, warning_above=1.0)
    )

    assert snapshot.metric_specs["kl_ref"].unit == "bits"
    assert all(len(name) <= 100 for name in snapshot.metric_specs)


def test_ranks_are_merged_as_the_definition_says(record_of):
    """By default to the mean; values that one rank alone has are its."""

    def of(rank, *events):
        start = e.RunStarted(task="t", rank=rank, world_size=2)
        return [record_of(event, producer=f"p{rank}") for event in (start, *events)]

    one = of(
        0, defined("peak", over_ranks="max"), logged(1, peak=1.0, kl_ref=1.0), logged(2, peak=5.0, kl_ref=2.0)
    )
    two = of(1, logged(1, peak=3.0, kl_ref=3.0, alone=7.0), logged(2, peak=4.0, kl_ref=4.0))
    scalars = project(fold_all([*one, *two])).scalars

    assert scalars["peak"] == ScalarState(value=5.0, step=2, history=(3.0, 5.0))
    assert scalars["kl_ref"] == ScalarState(value=3.0, step=2, history=(2.0, 3.0))
    assert scalars["alone"].value == 7.0
