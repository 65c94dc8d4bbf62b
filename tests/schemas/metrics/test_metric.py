"""Bands say on which side of a bound a value is."""

from esper_schemas.metrics.metric import Bands


def test_a_bound_left_out_is_never_crossed():
    """Without bounds no value is critical or a warning."""
    assert not Bands().is_critical(1e300)
    assert not Bands().is_warning(-1e300)


def test_a_value_on_a_bound_has_not_crossed_it_unless_bounds_are_inclusive():
    """`inclusive` is a property of the bands."""
    assert not Bands(warning_above=2.0).is_warning(2.0)
    assert Bands(warning_above=2.0, inclusive=True).is_warning(2.0)
    assert not Bands(critical_below=0.5).is_critical(0.5)
    assert Bands(critical_below=0.5, inclusive=True).is_critical(0.5)
