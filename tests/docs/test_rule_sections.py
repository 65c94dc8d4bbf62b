"""A rule in plain sentences."""

from dataclasses import fields

from benchmarks.verdicts.measure import Confusion
from docs.rule_sections import PLACES, needs, section, settings, sign_text, signs

from esper_schemas.rules.rule import Sign
from esper_schemas.rules.rules import RULES

RULE = {rule.id: rule for rule in RULES}


def test_a_sign_is_described_by_its_watch_with_its_bound():
    """And the number of updates if it is not one."""
    assert sign_text(Sign("no_kl", 4)) == "KL divergence less than 1e-07, in at least 4 updates"
    assert sign_text(Sign("large_clip")) == "clip fraction more than 0.4167"
    warning, critical = sign_text(Sign("value_error")), sign_text(Sign("value_error", critical=True))
    assert "more than 3 times" in warning
    assert "more than 10 times" in critical
    assert sign_text(Sign("head_entropy_fall")).startswith("(name) entropy fell by a factor of more than ")
    assert sign_text(Sign("reward_not_finite")) == "`mean_return` NaN or infinite"
    assert sign_text(Sign("own_metric_above")) == "a metric of the run's own above its bound"


def test_a_rule_needs_the_metrics_of_its_signs():
    """By the names of the catalogue, not those of quantities that follow from them."""
    assert "`clip_fraction`" in list(needs(RULE["large_updates"]))
    assert "`value_loss`" in list(needs(RULE["value_loss_explosion"]))


def test_every_group_of_signs_is_described():
    """Each sign is about something that has a name."""
    for rule in RULES:
        lines = "\n".join(signs(rule)).splitlines()
        groups = [place for place in PLACES if getattr(rule, place, ())]
        assert {line for line in lines if line.endswith(":")} == {f"{PLACES[place]}:" for place in groups}
        assert sum(line.startswith("- ") for line in lines) == sum(len(getattr(rule, g)) for g in groups)


def test_every_field_with_signs_has_a_place_in_the_description():
    """A new kind of condition is not left out."""
    kinds = {field.name for rule in RULES for field in fields(rule) if _has_signs(getattr(rule, field.name))}
    assert kinds <= set(PLACES)


def _has_signs(value):
    return isinstance(value, tuple) and any(isinstance(item, Sign) for item in value)


def test_settings_on_which_a_rule_depends_are_named():
    """Where there are any."""
    assert list(settings(RULE["early_stop"])) == [
        "It applies unless `epochs` is 1, only where the settings of the run have `epochs` and `target_kl`."
    ]
    assert list(settings(RULE["large_updates"])) == []


def test_a_rule_without_a_fault_or_a_finding_says_so():
    """In its section."""
    text = section(RULE["large_updates"], Confusion(), 500)

    assert (
        "None of the recorded faults is one that it names. It was never wrong in 500 healthy updates." in text
    )
    assert "It also applied" not in text


def test_a_rule_that_was_not_measured_says_so():
    """It was not never wrong."""
    text = section(RULE["large_updates"], Confusion(), 0)

    assert "It has not been measured." in text
    assert "never wrong" not in text
