"""Tests of esper_tui.metrics.snapshot_curves."""

from msgspec import structs

from esper_schemas.snapshot import ScalarState
from esper_tui.metrics.snapshot_curves import snapshot_curves


def test_the_last_values_end_at_the_last_update(make_snapshot):
    """The healthy run has made 17 updates."""
    curve = snapshot_curves(make_snapshot(), ["kl_divergence"])["kl_divergence"]
    assert curve.x[-1] == 17.0
    assert len(curve.x) == 10


def test_returns_and_own_scalars_have_curves_too(make_snapshot):
    """What has no values, or no such name, is left out."""
    snapshot = make_snapshot()
    snapshot = structs.replace(
        snapshot,
        run=structs.replace(snapshot.run, mean_return_history=(1.0, 2.0)),
        scalars={"a/b": ScalarState(value=3.0, history=(1.0, 3.0)), "c": ScalarState()},
    )
    curves = snapshot_curves(snapshot, ["mean_return", "a/b", "c", "unknown", "heads/x/entropy"])
    assert {name: list(curve.mean) for name, curve in curves.items()} == {
        "mean_return": [1.0, 2.0],
        "a/b": [1.0, 3.0],
    }
