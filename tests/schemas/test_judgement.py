"""Values, histories and heads are evaluated by the bounds of the TELE records."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_schemas.heads import HEAD_MAX_ENTROPIES
from esper_schemas.judgement import (
    HeadCondition,
    Health,
    head_condition,
    judge_field,
    judge_loss_ratio,
    loss_ratio,
    trend,
)
from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.state import TamiyoState, Trend


def measured(**fields):
    """A state after the first update."""
    return TamiyoState(ppo_data_received=True, ppo_updates_count=1, **fields)


@pytest.mark.parametrize("name", QUANTITIES)
def test_nothing_is_evaluated_before_the_first_update(name):
    """Defaults are not measurements."""
    assert judge_field(TamiyoState(), name) is Health.WAITING


@pytest.mark.parametrize(
    ("value", "health"),
    [
        (1.0, Health.OK),
        (5.0, Health.OK),
        (5.001, Health.WARNING),
        (20.0, Health.WARNING),
        (20.001, Health.CRITICAL),
        (0.0009, Health.WARNING),
        (0.001, Health.OK),
        (math.nan, Health.NOT_FINITE),
        (math.inf, Health.NOT_FINITE),
    ],
)
def test_tele_132_value_loss_bands(value, health):
    """Warning above 5 or below 0.001, critical above 20, and NaN is never healthy."""
    assert judge_field(measured(value_loss=value), "value_loss") is health


@pytest.mark.parametrize(
    ("ratio", "health"),
    [
        (0.8, Health.OK),
        (1.2, Health.OK),
        (1.21, Health.WARNING),
        (0.79, Health.WARNING),
        (1.5, Health.WARNING),
        (0.5, Health.WARNING),
        (1.51, Health.CRITICAL),
        (0.49, Health.CRITICAL),
    ],
)
@pytest.mark.parametrize("end", ["max", "min"])
def test_tele_151_ratio_bands(ratio, health, end):
    """Healthy within 0.8-1.2, warning within 0.5-1.5, bounds included, critical outside."""
    assert judge_field(measured(**{f"head_style_ratio_{end}": ratio}), f"head_style_ratio_{end}") is health


@pytest.mark.parametrize(
    ("share", "health"),
    [(0.51, Health.OK), (0.5, Health.WARNING), (0.26, Health.WARNING), (0.25, Health.CRITICAL)],
)
@pytest.mark.parametrize("head", ["op", "blueprint", "alpha_curve"])
def test_tele_170_entropy_bands_apply_to_the_share_of_the_maximum(share, health, head):
    """Healthy above half of ln n, critical at a quarter and below."""
    entropy = share * HEAD_MAX_ENTROPIES[head]

    assert judge_field(measured(**{f"head_{head}_entropy": entropy}), f"head_{head}_entropy") is health


def test_what_was_not_measured_is_neither_ok_nor_critical():
    """None has a health of its own."""
    assert judge_field(measured(head_op_entropy=None), "head_op_entropy") is Health.NOT_MEASURED


@pytest.mark.parametrize(
    ("policy_loss", "value_loss", "health"),
    [
        (1.0, 1.0, Health.OK),
        (-1.0, 5.0, Health.OK),
        (1.0, 0.2, Health.OK),
        (1.0, 5.01, Health.WARNING),
        (1.0, 0.19, Health.WARNING),
        (1.0, 10.01, Health.CRITICAL),
        (1.0, 0.09, Health.CRITICAL),
        (1e-11, 1.0, Health.NOT_MEASURED),
        (math.nan, 1.0, Health.NOT_FINITE),
    ],
)
def test_loss_ratio_bands(policy_loss, value_loss, health):
    """Lv/Lp is healthy in 0.2-5, critical outside 0.1-10, and undefined for a policy loss near 0."""
    assert judge_loss_ratio(measured(policy_loss=policy_loss, value_loss=value_loss)) is health


def test_loss_ratio_uses_the_magnitude_of_the_policy_loss():
    """A negative policy loss gives a positive ratio: 0.3 / |-0.15| = 2."""
    assert loss_ratio(measured(policy_loss=-0.15, value_loss=0.3)) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ((1.0,) * 5, Trend.UNKNOWN),  # 5 // 2 = 2 values a window, three are needed
        ((1.0,) * 6, Trend.STABLE),
        ((1.0, 1.0, 1.0, 1.25, 1.25, 1.25), Trend.RISING),  # the change is the threshold, 0.25 of 1.0
        ((1.0, 1.0, 1.0, 1.24, 1.24, 1.24), Trend.STABLE),
        ((1.0, 1.0, 1.0, 0.7, 0.7, 0.7), Trend.FALLING),
        ((-1.0, -1.0, -1.0, -1.3, -1.3, -1.3), Trend.FALLING),  # direction, not health
        ((1.0, 1.1, 0.9, 1.0, 2.0, 0.0), Trend.VOLATILE),  # variance 0.0067 to 0.67
        ((0.0, 0.0, 0.0, 0.02, 0.02, 0.02), Trend.RISING),  # from exactly zero the bound is 0.01
        ((1.0, math.nan, None, 1.0, 1.0, 2.0, 2.0, 2.0), Trend.RISING),  # only finite values count
    ],
)
def test_trend_compares_the_newer_half_with_the_older(history, expected):
    """The threshold is a change of the mean by 25 %; a variance that more than tripled is volatile."""
    assert trend(history, 0.25) is expected


@pytest.mark.parametrize("window", [3, 5, 10])
@pytest.mark.parametrize("scale", [1.0, 0.1, 1e-9, 3e7])
def test_tele_131_a_change_of_exactly_the_threshold_is_a_trend(window, scale):
    """From 1 to 1.2, and to 0.8, is a fifth, although floating-point numbers differ by slightly less."""
    before = [scale] * window

    assert trend([*before, *[1.2 * scale] * window], 0.2) is Trend.RISING
    assert trend([*before, *[0.8 * scale] * window], 0.2) is Trend.FALLING
    assert trend([*before, *[1.1999 * scale] * window], 0.2) is Trend.STABLE


@given(st.lists(st.none() | st.floats(), max_size=40), st.floats(0, 1))
def test_trend_is_total(history, threshold):
    """No history raises an exception."""
    assert isinstance(trend(history, threshold), Trend)


@pytest.mark.parametrize(
    ("share", "gradient", "condition"),
    [
        (0.5, 0.5, HeadCondition.HEALTHY),
        (0.05, 0.005, HeadCondition.DEAD),
        (0.05, 0.5, HeadCondition.DETERMINISTIC),
        (0.95, 0.5, HeadCondition.CONFUSED),
        (0.95, 5.1, HeadCondition.EXPLODING),
        (0.05, 5.1, HeadCondition.EXPLODING),
        (0.8, 0.5, HeadCondition.UNREMARKABLE),
        (math.nan, 0.5, HeadCondition.NOT_FINITE),
        (0.5, math.inf, HeadCondition.NOT_FINITE),
    ],
)
def test_head_condition_combines_entropy_and_gradient(share, gradient, condition):
    """The conditions are those of TELE-170."""
    state = measured(
        head_style_entropy=share * HEAD_MAX_ENTROPIES["style"],
        head_style_grad_norm=gradient,
        head_style_entropy_legal=share,
        head_style_relevance=0.5,
    )

    assert head_condition(state, "style") is condition


@pytest.mark.parametrize(
    ("share", "condition"),
    [(0.05, HeadCondition.DETERMINISTIC), (0.5, HeadCondition.NOT_MEASURED)],
)
def test_tele_170_a_collapsed_head_has_a_condition_without_a_gradient(share, condition):
    """Its entropy alone shows that it always makes the same choice; whether a gradient is left is unknown."""
    state = measured(
        head_style_entropy=share * HEAD_MAX_ENTROPIES["style"],
        head_style_entropy_legal=share,
        head_style_relevance=0.5,
        head_style_grad_norm=None,
    )

    assert head_condition(state, "style") is condition


def test_a_head_without_a_choice_and_without_a_gradient_is_expected_to_be_deterministic():
    """The masks explain its entropy."""
    state = measured(head_slot_entropy=0.0, head_slot_grad_norm=None, head_slot_relevance=0.4)

    assert head_condition(state, "slot") is HeadCondition.EXPECTED_DETERMINISTIC


@pytest.mark.parametrize(
    ("value", "direction", "health"),
    [
        (0.02, Trend.VOLATILE, Health.WARNING),
        (0.02, Trend.RISING, Health.OK),
        (math.nan, Trend.VOLATILE, Health.NOT_FINITE),
        (None, Trend.VOLATILE, Health.NOT_MEASURED),
    ],
)
def test_tele_131_oscillation_of_the_policy_loss_is_a_warning(value, direction, health):
    """The record has no bounds for the loss itself: spikes and oscillation are its warning."""
    state = measured(policy_loss=value, trends={"policy_loss": direction})

    assert judge_field(state, "policy_loss") is health


def test_oscillation_of_another_metric_is_not_judged():
    """Only the record of the policy loss asks for it."""
    state = measured(learning_rate=1e-3, trends={"learning_rate": Trend.VOLATILE})

    assert judge_field(state, "learning_rate") is Health.OK


def test_tele_140_advantages_that_hardly_vary_are_a_warning():
    """Normalisation would amplify their rounding errors."""
    assert judge_field(measured(advantage_std=1e-7), "advantage_std") is Health.WARNING
    assert judge_field(measured(advantage_std=0.0), "advantage_std") is Health.WARNING
    assert judge_field(measured(advantage_std=0.01), "advantage_std") is Health.OK


def test_a_head_without_a_choice_is_expected_to_be_deterministic():
    """The masks always left it one choice, so that its low entropy is not a problem."""
    state = measured(head_slot_entropy=0.0, head_slot_grad_norm=0.2, head_slot_relevance=0.4)

    assert head_condition(state, "slot") is HeadCondition.EXPECTED_DETERMINISTIC


def test_an_unmeasured_head_has_no_condition():
    """A head that the trainer does not have is not shown as dead."""
    assert head_condition(measured(head_op_entropy=None), "op") is HeadCondition.NOT_MEASURED
    assert head_condition(TamiyoState(), "op") is HeadCondition.WAITING


def test_tele_170_a_gradient_explodes_with_any_entropy():
    """This holds even if none was measured; a norm that is not finite takes precedence."""
    exploding = measured(head_op_entropy=None, head_op_grad_norm=99.0)
    broken = measured(head_op_entropy=None, head_op_grad_norm=math.inf)

    assert head_condition(exploding, "op") is HeadCondition.EXPLODING
    assert head_condition(broken, "op") is HeadCondition.NOT_FINITE


@pytest.mark.parametrize(
    ("name", "value", "health"),
    [
        ("entropy_velocity", 0.02, Health.OK),
        ("entropy_velocity", -0.009, Health.OK),
        ("entropy_velocity", -0.01, Health.WARNING),
        ("entropy_velocity", -0.03, Health.CRITICAL),
        ("entropy_velocity", None, Health.NOT_MEASURED),
        ("collapse_risk_score", 0.29, Health.OK),
        ("collapse_risk_score", 0.3, Health.WARNING),
        ("collapse_risk_score", 0.7, Health.CRITICAL),
    ],
)
def test_derived_quantities_are_evaluated_like_measured_ones(name, value, health):
    """TELE-121 and TELE-122: the fall of the entropy, and the risk of a collapse."""
    assert judge_field(measured(**{name: value}), name) is health


@pytest.mark.parametrize(
    ("correlation", "entropy", "clip", "health"),
    [
        (-0.9, 0.8, 0.5, Health.OK),  # entropy is high: the correlation does not matter
        (-0.3, 0.2, 0.5, Health.OK),
        (-0.45, 0.2, 0.5, Health.WARNING),
        (-0.9, 0.2, 0.1, Health.WARNING),  # the clip fraction is low
        (-0.9, 0.2, 0.5, Health.CRITICAL),
        (-0.9, None, 0.5, Health.OK),
        (None, 0.2, 0.5, Health.NOT_MEASURED),
        (math.nan, 0.2, 0.5, Health.NOT_FINITE),
    ],
)
def test_tele_123_correlation_counts_only_while_entropy_is_low(correlation, entropy, clip, health):
    """Warning below -0.4 with low entropy, critical below -0.5 when the clip fraction is high too."""
    state = measured(entropy_clip_correlation=correlation, entropy_normalized=entropy, clip_fraction=clip)

    assert judge_field(state, "entropy_clip_correlation") is health


def test_a_history_of_the_largest_floats_has_a_trend():
    """Means are taken without overflow."""
    assert trend([1.7976931348623157e308] * 6, 0.2) is Trend.STABLE
