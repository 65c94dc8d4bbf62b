"""Tests of esper_tui.metrics.charted_metric."""

import math

from msgspec import structs

from esper_schemas.declarations import MetricSpec
from esper_schemas.snapshot import ScalarState
from esper_tui.metrics.charted_metric import charted_metric


def test_a_metric_of_the_catalogue_has_its_label_and_bounds(make_snapshot):
    """The precision is that of its number on the screen."""
    described = charted_metric(make_snapshot(), "kl_divergence")
    assert described.label == "KL"
    assert described.bands.warning_above is not None
    assert described.unit == "nats"


def test_bounds_of_a_share_are_scaled_to_the_values(make_snapshot):
    """The entropy of a head is drawn in nats, while its bounds are shares of the largest one."""
    snapshot = make_snapshot()
    op, slot = (charted_metric(snapshot, f"head_{head}_entropy") for head in ("op", "tempo"))
    assert op.label == "Entr op"
    ratio = op.bands.warning_below / slot.bands.warning_below
    assert math.isclose(ratio, math.log(6) / math.log(3))


def test_an_own_scalar_has_what_the_run_says_about_it(make_snapshot):
    """Without a description it has its name and no bounds."""
    spec = MetricSpec(name="eval/loss", unit="nats", warning_above=2.0, precision=1)
    snapshot = structs.replace(
        make_snapshot(),
        scalars={"eval/loss": ScalarState(value=1.0), "plain": ScalarState(value=1.0)},
        metric_specs={"eval/loss": spec},
    )
    described = charted_metric(snapshot, "eval/loss")
    assert (described.label, described.unit, described.precision) == ("eval/loss", "nats", 1)
    assert described.bands.warning_above == 2.0
    assert charted_metric(snapshot, "plain").bands.warning_above is None


def test_a_result_of_rollouts_and_an_unknown_name_have_labels(make_snapshot):
    """Neither is in the catalogue."""
    assert charted_metric(make_snapshot(), "mean_return").label == "Return"
    assert charted_metric(make_snapshot(), "foreign\x1b").label == "foreign�"
