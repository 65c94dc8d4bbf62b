"""One TOML text has bands of metrics, levels of watches, and rules that are disabled."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_schemas.declarations import RunThresholds
from esper_schemas.errors import InvalidArgument
from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.rules.bounded_watches import bounded_watches
from esper_schemas.rules.duplicate_ranks import DUPLICATE_RANK
from esper_schemas.rules.rules import RULES
from esper_schemas.rules.thresholds import (
    DEFAULTS,
    MAX_LENGTH,
    checked,
    ignored_thresholds,
    read_thresholds,
    thresholds_of,
)
from esper_schemas.rules.watches import WATCH_NAMES


def levels(text, name):
    """Warning and critical level of a watch that is not about a head."""
    thresholds = read_thresholds(text)
    found = [w for w in bounded_watches(thresholds.quantities, thresholds.levels) if w.name == name]
    return found[0].warning, found[0].critical


def lasting(text, rule, symptom):
    """For how many updates a symptom must last to be a sign of a rule."""
    (found,) = [r for r in read_thresholds(text).rules if r.id == rule]
    return {sign.updates for sign in (*found.signs, *found.unless) if sign.symptom == symptom}


def test_without_thresholds_those_of_the_catalogue_apply():
    """The same object, so that nothing is computed again."""
    assert thresholds_of(RunThresholds()) is DEFAULTS
    assert DEFAULTS.quantities is QUANTITIES
    assert DEFAULTS.rules is RULES


def test_a_text_has_bands_and_levels():
    """Bands of a metric move the watches that have no level of their own."""
    text = "[kl_divergence]\ncritical_above = 0.9\n[rules.value_loss_growth]\nwarning = 3.0\ncritical = 77\n"

    assert read_thresholds(text).quantities["kl_divergence"].metric.bands.critical_above == 0.9
    assert levels(text, "value_loss_growth") == (3.0, 77.0)


def test_a_level_that_is_left_out_keeps_its_default():
    """That of a watch which is only ever critical stays at its critical level."""
    assert levels("[rules.no_kl]\nwarning = 1e-9\n", "no_kl") == (1e-9, -math.inf)
    assert levels("[rules.ratio_explosion]\ncritical = 9.0\n", "ratio_explosion") == (9.0, 9.0)
    assert levels("[rules.ratio_explosion]\nwarning = 2.0\n", "ratio_explosion") == (2.0, 1.5**4)
    assert levels("[rules.lost_return]\ncritical = 4.0\n", "lost_return") == (1.0, 4.0)


def test_an_infinite_level_removes_it():
    """Nothing is beyond it."""
    assert levels("[rules.no_kl]\nwarning = -inf\n", "no_kl") == (-math.inf, -math.inf)
    assert levels("[rules.lost_return]\nwarning = inf\ncritical = inf\n", "lost_return") == (math.inf,) * 2


def test_levels_of_a_watch_apply_to_every_head():
    """They are in the unit of the field."""
    thresholds = read_thresholds("[rules.ratio_explosion]\ncritical = 9.0\n")
    found = [w for w in bounded_watches(QUANTITIES, thresholds.levels) if w.name == "ratio_explosion"]

    assert len(found) > 1
    assert {watch.critical for watch in found} == {9.0}


def test_updates_of_a_watch_are_those_of_all_its_signs():
    """Rules that are not about the watch stay as they are."""
    text = "[rules.no_kl]\nupdates = 40\n"

    assert lasting(text, "policy_frozen", "no_kl") == {40}
    assert [r for r in read_thresholds(text).rules if r not in RULES] == [
        r for r in read_thresholds(text).rules if r.id == "policy_frozen"
    ]


def test_a_rule_can_be_disabled():
    """The others remain; the findings about a recording can be disabled as well."""
    thresholds = read_thresholds(
        f"[rules.early_stop]\nenabled = false\n[rules.{DUPLICATE_RANK}]\nenabled=false"
    )

    assert {rule.id for rule in RULES} - {rule.id for rule in thresholds.rules} == {"early_stop"}
    assert thresholds.disabled == {"early_stop", DUPLICATE_RANK}
    assert read_thresholds("[rules.early_stop]\nenabled = true\n").rules == RULES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules = 3\n", "t.toml:1: rules must have tables: write [rules.early_stop], for example."),
        (
            "\n[rules.large_kll]\nwarning = 1\n",
            "t.toml:2: there is no watch and no rule 'large_kll', the nearest is 'large_kl'.",
        ),
        ("[rules]\nearly_stop = 1\n", "t.toml:2: rules.early_stop must be a table: write [rules.early_stop]"),
        (
            "[rules.lost_return]\nwarning = 5\n",  # the critical level is 2
            "t.toml:2: the levels of rules.lost_return are inverted: warning is 5 but critical is 2.",
        ),
        (
            "[rules.lost_return]\nupdates = 2\nwarning = 3\ncritical = 2.5\n",
            "t.toml:3: the levels of rules.lost_return are inverted: warning is 3 but critical is 2.5.",
        ),
        (
            "[rules.lost_return]\ncritical = 0.5\n",
            "t.toml:2: the levels of rules.lost_return are inverted: warning is 1 but critical is 0.5.",
        ),
        *[
            (
                f"[rules.lost_return]\ncritical = {value}\n",
                "t.toml:2: critical of rules.lost_return must be a number.",
            )
            for value in ("'5'", "nan", "true", "[1]", f"{10**400}")
        ],
        (
            "[rules.lost_return]\nwarning = -inf\n",
            "t.toml:2: warning of rules.lost_return is -inf: every value would be beyond it.",
        ),
        (
            "[rules.no_kl]\nwarning = inf\n",
            "t.toml:2: warning of rules.no_kl is inf: every value would be beyond it.",
        ),
        *[
            (
                f"[rules.no_kl]\nupdates = {updates}\n",
                "t.toml:2: updates of rules.no_kl must be a whole number from 1 to 1,000,000.",
            )
            for updates in ("0", "-1", "2.0", "true", "10000000", "'3'")
        ],
        (
            "[rules.policy_frozen]\nenabled = 0\n",
            "t.toml:2: enabled of rules.policy_frozen must be true or false.",
        ),
        (
            "[rules.policy_frozen]\nwarning = 2.0\n",
            "t.toml:2: rules.policy_frozen has no setting 'warning'; it has enabled.",
        ),
        (
            "[rules.no_kl]\nenabled = false\n",
            "t.toml:2: rules.no_kl has no setting 'enabled'; it has warning, critical, updates.",
        ),
        (
            "[rules.own_metric_above]\nwarning = 2.0\n",
            "t.toml:2: rules.own_metric_above has no setting 'warning'; it has updates.",
        ),
        ("[mood]\n", "t.toml:1: there is no metric 'mood'."),
        (f"['{'x' * 900}']\n", f"t.toml:1: there is no metric '{'x' * 100}…'."),
        (
            "#" * (MAX_LENGTH + 1),
            "t.toml: the thresholds have 32,769 characters; shorten them to 32,768.",
        ),
    ],
)
def test_a_mistake_is_refused_in_one_sentence_with_its_line(text, message):
    """Unknown names, settings of the other kind, inverted levels, and what is not a number."""
    with pytest.raises(InvalidArgument) as refusal:
        read_thresholds(text, origin="t.toml")

    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


def test_the_line_of_a_mistake_is_found_in_a_long_text():
    """The text is at its longest, and the mistake in its last line."""
    last = "[kl_divergense]"
    lines = (MAX_LENGTH - len(last)) // 2

    with pytest.raises(InvalidArgument, match=f"^thresholds:{lines + 1}: there is no metric 'kl_divergense'"):
        read_thresholds("#\n" * lines + last)


@pytest.mark.parametrize("name", sorted(WATCH_NAMES))
def test_every_watch_accepts_a_number_of_updates(name):
    """The name of each symptom is that of a table."""
    assert read_thresholds(f"[rules.{name}]\nupdates = 1\n")


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_every_rule_can_be_disabled(rule):
    """By its id, which a finding has."""
    assert read_thresholds(f"[rules.{rule}]\nenabled = false\n").disabled == {rule}


def test_what_a_log_gives_is_never_refused():
    """A text that cannot be used leaves the bounds as they are, and says why."""
    good, bad = (
        checked("[kl_divergence]\ncritical_above = 1.0\n"),
        checked("[kl_divergence]\nwarning_above = 1"),
    )

    assert thresholds_of(good).quantities["kl_divergence"].metric.bands.critical_above == 1.0
    assert (bad.text, thresholds_of(bad)) == ("", DEFAULTS)
    assert "thresholds:2: the bands of kl_divergence are inverted" in bad.problem


def test_ignored_thresholds_are_a_finding():
    """It has the sentence of the mistake."""
    (finding,) = ignored_thresholds(checked("[moood]\n"))

    assert (finding.rule, finding.severity) == ("thresholds_ignored", "warning")
    assert finding.evidence[0].text == "thresholds:1: there is no metric 'moood'."
    assert ignored_thresholds(RunThresholds("rules = {}")) == []


def test_own_heads_may_be_named_by_what_they_measure():
    """`heads` are those that the run declares."""
    given = checked("head_move_ratio_max = { critical_above = 9 }", ["move"])

    assert not given.problem
    assert thresholds_of(given).quantities["heads/move/ratio_max"].metric.bands.critical_above == 9


KEYS = st.sampled_from(["warning", "critical", "updates", "enabled", "warning_above", "x"])
VALUES = st.sampled_from(["0", "-1", "1", "inf", "-inf", "nan", "1e308", "true", "[]", "''", "2.5", "1e999"])
NAMES = ["rules.lost_return", "rules.no_kl", "rules.early_stop", "kl_divergence", "rules", "x"]
TABLES = st.tuples(st.sampled_from(NAMES), st.dictionaries(KEYS, VALUES))


@given(st.lists(TABLES, max_size=3))
def test_any_text_is_read_or_refused(tables):
    """No mistake raises another error, and a text that is read has a warning before every critical level."""
    lines = [[f"[{name}]", *[f"{k} = {v}" for k, v in table.items()]] for name, table in tables]
    text = "\n".join("\n".join(table) for table in lines)
    of_run = checked(text)
    assert bool(of_run.problem) or of_run.text == text
    thresholds = thresholds_of(of_run)
    for watch in bounded_watches(thresholds.quantities, thresholds.levels):
        assert not watch.is_beyond(watch.warning, watch.critical)
