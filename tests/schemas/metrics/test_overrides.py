"""A TOML text can override bands; an error in it is reported with its line."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_schemas.errors import InvalidArgument
from esper_schemas.heads import HEADS
from esper_schemas.judgement import HeadCondition, Health, head_condition, judge_field
from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.metrics.overrides import BOUNDS, overridden
from esper_schemas.state import TamiyoState


def measured(**fields):
    """A state after the first update."""
    return TamiyoState(ppo_data_received=True, ppo_updates_count=1, **fields)


def test_an_empty_file_changes_nothing():
    """A file of comments and blank lines is empty too."""
    assert overridden("") == overridden("\n# nothing yet\n") == QUANTITIES


def test_given_bounds_replace_those_of_the_catalogue():
    """KL 0.018 is a warning in the catalogue (above 0.015), and ok in a project that allows 0.02."""
    quantities = overridden("[kl_divergence]\nwarning_above = 0.02\ntrend_threshold = 0.5\n")
    state = measured(kl_divergence=0.018)

    assert judge_field(state, "kl_divergence") is Health.WARNING
    assert judge_field(state, "kl_divergence", quantities) is Health.OK
    assert quantities["kl_divergence"].metric.bands.critical_above == 0.03  # was not given
    assert quantities["kl_divergence"].metric.trend_threshold == 0.5
    assert {name for name in QUANTITIES if quantities[name] != QUANTITIES[name]} == {"kl_divergence"}


def test_a_family_applies_to_all_heads_and_a_field_to_one():
    """The table of a single head takes precedence, even if it comes first."""
    quantities = overridden(
        "[head_blueprint_entropy]\ncritical_below = 0.2\n[head_entropy]\ncritical_below = 0.1\n"
    )
    bounds = {head: quantities[f"head_{head}_entropy"].metric.bands.critical_below for head in HEADS}

    assert bounds == {head: 0.2 if head == "blueprint" else 0.1 for head in HEADS}
    assert quantities["head_op_entropy"].maximum == QUANTITIES["head_op_entropy"].maximum


def test_the_condition_of_a_head_follows_a_projects_bands():
    """A gradient norm of 3.0 explodes if the critical bound is 2.5, but not with the catalogue's 5.0."""
    state = measured(head_op_entropy=0.5, head_op_grad_norm=3.0)
    quantities = overridden("[head_grad_norm]\ncritical_above = 2.5\n")

    assert head_condition(state, "op") is not HeadCondition.EXPLODING
    assert head_condition(state, "op", quantities) is HeadCondition.EXPLODING


def test_bands_of_derived_quantities_can_be_overridden():
    """Lv/Lp 7 is a warning, and ok in a project that allows 8."""
    state = measured(policy_loss=1.0, value_loss=7.0)

    assert judge_field(state, "loss_ratio") is Health.WARNING
    assert judge_field(state, "loss_ratio", overridden("loss_ratio = { warning_above = 8 }")) is Health.OK


def test_an_infinite_bound_removes_it():
    """Bands whose bounds are all infinite have no bounds."""
    text = "[value_loss]\nwarning_below = -inf\nwarning_above = inf\ncritical_above = inf\n"
    bands = overridden(text)["value_loss"].metric.bands

    assert [getattr(bands, bound) for bound in BOUNDS] == [None] * 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "# ours\n\n[kl_divergance]\nwarning_above = 1.0\n",
            "t.toml:3: there is no metric 'kl_divergance', the nearest is 'kl_divergence'.",
        ),
        ("\n[mood]\n", "t.toml:2: there is no metric 'mood'."),
        (
            "[grad_norm]\nwarning_above = 1.0\nwarnign_below = 0.0\n",
            "t.toml:3: grad_norm has no setting 'warnign_below', the nearest is 'warning_below'.",
        ),
        (
            "[kl_divergence]\nwarning_above = 0.01\n[grad_norm]\ncritical_above = 0.1\nwarning_above = 0.2\n",
            "t.toml:5: the bands of grad_norm are inverted: warning_above is 0.2 but critical_above is 0.1.",
        ),
        (  # against a bound of the catalogue that the file does not name: critical_above is 0.03
            "[kl_divergence]\nwarning_above = 0.05\n",
            "t.toml:2: the bands of kl_divergence are inverted: "
            "warning_above is 0.05 but critical_above is 0.03.",
        ),
        (
            "[value_loss]\nwarning_below = 6\n",
            "t.toml:2: the bands of value_loss are inverted: warning_below is 6 but warning_above is 5.",
        ),
        (
            "[value_loss]\nwarning_below = inf\n",
            "t.toml:2: the bands of value_loss are inverted: warning_below is inf but warning_above is 5.",
        ),
        (
            "[head_entropy]\ncritical_below = 0.6\n",
            "t.toml:2: the bands of head_entropy are inverted: "
            "critical_below is 0.6 but warning_below is 0.5.",
        ),
        ("[grad_norm]\nwarning_above = '5'\n", "t.toml:2: warning_above of grad_norm must be a number."),
        (
            f"[grad_norm]\nwarning_above = {10**400}\n",
            "t.toml:2: warning_above of grad_norm must be a number.",
        ),
        (f"[grad_norm]\nwarning_above = {'1' * 5_000}\n", None),
        ("a = " + "[" * 5_000, None),
        ("[grad_norm]\nwarning_above = true\n", "t.toml:2: warning_above of grad_norm must be a number."),
        ("[grad_norm]\nwarning_above = nan\n", "t.toml:2: warning_above of grad_norm must be a number."),
        (
            "[grad_norm]\nwarning_above = [\n1,\n2]\n",  # the value ends in line 4
            "t.toml:4: warning_above of grad_norm must be a number.",
        ),
        (
            "[grad_norm]\ntrend_threshold = 0\n",
            "t.toml:2: trend_threshold of grad_norm must be a share above 0, such as 0.2.",
        ),
        (
            "\ngrad_norm = 5\n",
            "t.toml:2: grad_norm must be a table: write [grad_norm] and its bounds below it.",
        ),
        (
            "grad_norm.warning = 5\n",
            "t.toml:1: grad_norm has no setting 'warning', the nearest is 'warning_below'.",
        ),
        ("[grad_norm\n", None),
    ],
)
def test_an_error_is_reported_in_one_sentence_with_its_line(text, message):
    """Errors are wrong names, inverted bands, wrong types and syntax errors."""
    with pytest.raises(InvalidArgument) as refusal:
        overridden(text, origin="t.toml")

    assert str(refusal.value) == message or message is None
    assert str(refusal.value).startswith("t.toml")
    assert str(refusal.value).count("\n") == 0


def test_a_text_that_is_not_toml_is_refused_with_its_line():
    """The message has the line that the parser reports."""
    with pytest.raises(InvalidArgument, match=r"t\.toml.*line 2"):
        overridden("[grad_norm]\nwarning_above = \n", origin="t.toml")


def test_a_bound_that_everything_is_beyond_is_refused():
    """An upper bound of -inf would make every value a warning."""
    with pytest.raises(InvalidArgument, match=":2: warning_above of grad_norm is -inf: every value"):
        overridden("[grad_norm]\nwarning_above = -inf")


_KEYS = st.sampled_from([*BOUNDS, "trend_threshold"])


@given(st.dictionaries(st.sampled_from(["grad_norm", "head_entropy"]), st.dictionaries(_KEYS, st.floats())))
def test_for_any_numbers_bands_stay_in_order_or_are_refused(tables):
    """No accepted file makes a critical bound easier to cross than its warning bound."""
    text = "\n".join(
        f"[{name}]\n" + "\n".join(f"{key} = {value}" for key, value in table.items())
        for name, table in tables.items()
    )
    try:
        quantities = overridden(text)
    except InvalidArgument:
        return
    for field in quantities.values():
        bounds = [getattr(field.metric.bands, bound) for bound in BOUNDS]
        given_bounds = [bound for bound in bounds if bound is not None]

        assert given_bounds == sorted(given_bounds)
        assert all(math.isfinite(bound) for bound in given_bounds)
