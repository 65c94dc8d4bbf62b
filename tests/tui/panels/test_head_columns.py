"""Tests of esper_tui.panels.head_columns: the records TELE-151, TELE-170, TELE-320 and TELE-321."""

import math

import pytest

from esper_schemas.heads import ENTROPY_COEFFICIENT_MULTIPLIERS, HEAD_MAX_ENTROPIES, HEADS
from esper_schemas.state import Trend
from esper_tui.panels import head_columns
from esper_tui.panels.head_columns import Space
from esper_tui.text.spans import Tone, plain

SPACE = Space(5, coefficients=True)


@pytest.fixture
def cell(make_snapshot, make_state, with_finding):
    """One cell of the table, for a state with some fields changed and a finding about some metrics."""

    def make(kind, head="op", *, about=(), severity="critical", **fields):
        snapshot = make_snapshot(make_state(**fields))
        shown = with_finding(snapshot, *about, severity=severity) if about else snapshot
        return getattr(head_columns, kind)(shown, head, SPACE)

    return make


@pytest.mark.parametrize("head", HEADS)
def test_tele_170_entropy_has_three_decimals_and_its_coefficient(cell, head):
    """Sparse heads show the multiplier of their entropy bonus before the value, others do not."""
    multiplier = ENTROPY_COEFFICIENT_MULTIPLIERS[head]
    prefix = "" if multiplier == 1.0 else f"{multiplier}×"

    shown = plain(cell("entropy", head, **{f"head_{head}_entropy": 0.98765}))
    assert shown == f"{prefix}0.988" + shown[-1]


@pytest.mark.parametrize("head", HEADS)
def test_an_entropy_that_was_not_measured_has_no_coefficient(cell, head):
    """There is nothing that it could be the coefficient of."""
    assert plain(cell("entropy", head, **{f"head_{head}_entropy": None})).strip() == "–"


@pytest.mark.parametrize("head", HEADS)
def test_tele_170_entropy_bar_is_normalised_by_the_maximum(cell, head):
    """The maximum fills the bar and half the maximum fills half of it, for every head."""
    highest = HEAD_MAX_ENTROPIES[head]

    assert plain(cell("entropy_bar", head, **{f"head_{head}_entropy": highest})) == "━━━━━ "
    assert plain(cell("entropy_bar", head, **{f"head_{head}_entropy": highest / 2})) == "━━╸── "


@pytest.mark.parametrize(
    ("normalised", "tone"),
    [
        (0.51, Tone.GOOD),
        (0.50, Tone.WARNING),
        (0.26, Tone.WARNING),
        (0.25, Tone.BEYOND),
        (0.0, Tone.BEYOND),
    ],
)
def test_tele_170_entropy_is_coloured_by_its_share_of_the_maximum(cell, normalised, tone):
    """It is healthy above one half and critical at one quarter and below; the colour alone is no alarm."""
    value, mark = cell("entropy", head_op_entropy=normalised * HEAD_MAX_ENTROPIES["op"])

    assert (value.tone, mark.text) == (tone, " ")


@pytest.mark.parametrize(
    ("severity", "tone", "mark"),
    [("critical", Tone.CRITICAL, "✗"), ("warning", Tone.WARNING, "!"), ("notice", Tone.BEYOND, " ")],
)
def test_a_value_that_a_finding_is_about_has_its_mark(cell, severity, tone, mark):
    """The number and the state have the tone and the mark of the severity; other heads have none."""
    low = {"head_op_entropy": 0.01, "head_slot_entropy": 0.01}
    about = {"about": ("head_op_entropy",), "severity": severity}

    value, sign = cell("entropy", **low, **about)
    condition = cell("condition", **low, **about)

    assert (value.tone, sign.text) == (tone, mark)
    assert condition[1].text == mark
    assert [plain(cell(kind, "slot", **low, **about))[-1] for kind in ("entropy", "condition")] == [" ", " "]


@pytest.mark.parametrize(
    ("entropy", "gradient", "symbol", "tone"),
    [
        (0.5, 1.0, "● ", Tone.GOOD),
        (0.05, 0.001, "○ ", Tone.BEYOND),
        (0.95, 1.0, "◐ ", Tone.WARNING),
        (0.05, 1.0, "◇ ", Tone.WARNING),
        (0.5, 5.1, "▲ ", Tone.BEYOND),
        (0.05, 99.0, "▲ ", Tone.BEYOND),
        (0.8, 1.0, "• ", Tone.DIM),
        (math.nan, 1.0, "× ", Tone.BEYOND),
        (0.5, math.inf, "× ", Tone.BEYOND),
        (math.nan, 99.0, "× ", Tone.BEYOND),
        (None, math.nan, "× ", Tone.BEYOND),
        (math.nan, None, "× ", Tone.BEYOND),
        (None, 1.0, "– ", Tone.DIM),
        (None, 99.0, "▲ ", Tone.BEYOND),
        (0.5, None, "– ", Tone.DIM),
    ],
)
def test_tele_170_state_symbol_combines_entropy_and_gradient(cell, entropy, gradient, symbol, tone):
    """A head is healthy, near uniform, makes one choice with or without a gradient, has a large gradient at
    any entropy, none of these, is not finite or not measured; none of it is an alarm by itself.
    """
    nats = None if entropy is None else entropy * HEAD_MAX_ENTROPIES["op"]
    shown = cell("condition", head_op_entropy=nats, head_op_grad_norm=gradient)

    assert plain(shown) == symbol
    assert shown[0].tone is tone


def test_tele_170_a_head_without_a_choice_is_a_dim_diamond(cell):
    """If the masks never leave two choices, a deterministic head is expected."""
    shown = cell("condition", head_op_entropy=0.0, head_op_entropy_legal=None)

    assert plain(shown) == "◈ "
    assert shown[0].tone is Tone.DIM


@pytest.mark.parametrize("family", ["ratio_max", "ratio_min"])
@pytest.mark.parametrize(
    ("ratio", "tone"),
    [
        (1.0, Tone.GOOD),
        (1.2, Tone.GOOD),
        (0.8, Tone.GOOD),
        (1.21, Tone.WARNING),
        (0.79, Tone.WARNING),
        (1.5, Tone.WARNING),
        (0.5, Tone.WARNING),
        (math.nan, Tone.BEYOND),
        (1.51, Tone.BEYOND),
        (0.49, Tone.BEYOND),
        (math.inf, Tone.BEYOND),
    ],
)
def test_tele_151_ratio_is_coloured_by_the_clip_range(cell, family, ratio, tone):
    """It is healthy within 0.8 to 1.2 and critical outside 0.5 to 1.5, for the largest and the smallest."""
    value, mark = cell(family, **{f"head_op_{family}": ratio})

    assert (value.tone, mark.text) == (tone, " ")


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", ["ratio_max", "ratio_min"])
def test_tele_151_every_head_shows_its_own_ratio(cell, head, family):
    """The record has maxima only; minima are shown too, because a maximum hides a collapse."""
    assert plain(cell(family, head, **{f"head_{head}_{family}": 1.123})) == "1.123 "


def test_tele_151_ratio_has_three_decimals(cell):
    """A very large ratio is abbreviated."""
    assert plain(cell("ratio_max", head_op_ratio_max=1.0456)) == "1.046 "
    assert plain(cell("ratio_max", head_op_ratio_max=math.exp(20))) == "485M "


@pytest.mark.parametrize(
    ("ratio", "bar"), [(1.0, "─────"), (1.51, "━━━━━"), (0.49, "━━━━━"), (1.19, "━━───")]
)
def test_tele_151_ratio_bar_shows_the_deviation_from_one(cell, ratio, bar):
    """A larger deviation fills more of the bar, a critical one all of it; a ratio of 1 leaves it empty."""
    assert plain(cell("ratio_bar", head_op_ratio_max=ratio)).rstrip() == bar


@pytest.mark.parametrize(
    ("before", "now", "trend"),
    [
        (1.0, 1.3, Trend.RISING),
        (1.0, 0.7, Trend.FALLING),
        (1.0, 1.2, Trend.STABLE),
        (0.0, 0.0, Trend.STABLE),
        (0.0, 0.1, Trend.RISING),
        (None, 1.0, Trend.UNKNOWN),
        (1.0, None, Trend.UNKNOWN),
        (math.nan, 1.0, Trend.UNKNOWN),
        (1.0, math.inf, Trend.UNKNOWN),
    ],
)
def test_tele_321_gradient_arrow_compares_with_the_previous_update(make_state, before, now, trend):
    """A change of less than a given share of the previous norm is stable."""
    state = make_state(head_op_grad_norm=now, head_op_grad_norm_prev=before)

    assert head_columns.gradient_change(state, "op") is trend


def test_tele_320_gradient_follows_its_arrow(cell):
    """It has three decimals and a mark behind it; the arrow has a neutral tone."""
    shown = cell("gradient", head_op_grad_norm=2.1, head_op_grad_norm_prev=1.0)

    assert plain(shown) == "↗2.100 "
    assert [span.tone for span in shown] == [Tone.LABEL, Tone.WARNING, Tone.PLAIN]


def test_latches_show_what_was_seen(cell):
    """A latch shows NaN, infinity or both; a head that was always finite has a dot."""
    assert plain(cell("latch")) == "· "
    assert plain(cell("latch", head_nan_latch={"op": True})) == "NaN "
    assert plain(cell("latch", head_inf_latch={"op": True})) == "Inf "
    assert plain(cell("latch", head_nan_latch={"op": True}, head_inf_latch={"op": True})) == "both "
    assert plain(cell("latch", head_nan_latch={"slot": True})) == "· "


def test_tele_170_what_was_not_measured_is_a_dash_without_a_bar(cell):
    """The record has 0.0 for it; a dash distinguishes a head that was never relevant from one without
    entropy.
    """
    assert plain(cell("entropy", head_op_entropy=None)) == "– "
    assert plain(cell("entropy_bar", head_op_entropy=None)).strip() == ""


@pytest.mark.parametrize(
    ("head", "maximum"),
    [
        *(("op", 1.79), ("slot", 1.10), ("blueprint", 2.56), ("style", 1.39)),
        *(("tempo", 1.10), ("alpha_target", 1.10), ("alpha_speed", 1.39), ("alpha_curve", 1.61)),
    ],
)
def test_tele_170_the_maxima_are_those_of_the_record(cell, head, maximum):
    """A head at the maximum of the record has a full bar; one at 85 % of it does not."""
    full = plain(cell("entropy_bar", head, **{f"head_{head}_entropy": maximum}))

    assert full == "━━━━━ "
    assert plain(cell("entropy_bar", head, **{f"head_{head}_entropy": 0.85 * maximum})) != full
