"""Every rule finds its faults in short real trainings, and none applies to a healthy one."""

import re
from collections import Counter

import pytest
from benchmarks.verdicts.measure import Amount, Confusion, Measurement
from docs.make_findings import PAGE, fingerprint, fingerprint_of, page
from docs.rule_sections import signs, title_of
from tests.docs.faulty_trainings import FAULTS, faulty_run, known_run

from esper_aggregator.fold.fold import fold_all
from esper_aggregator.fold.projection import project
from esper_schemas.events import Record
from esper_schemas.rules.diagnose import diagnose
from esper_schemas.rules.rules import RULES


def diagnosis_of(events):
    """The findings at the end of a training, by rule."""
    records = [
        Record(run="r", producer="p", epoch=1, seq=seq, emitted_ns=seq, received_ns=seq, event=event)
        for seq, event in enumerate(events)
    ]
    snapshot = project(fold_all(records))
    assert list(snapshot.findings) == diagnose(snapshot)
    return {finding.rule: finding for finding in snapshot.findings}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name):
    """All of its rules find it, not before it began, and the first finding is one of theirs."""
    fault, findings = FAULTS[name], diagnosis_of(known_run(name))

    assert set(fault.rules) <= set(findings)
    assert all(findings[rule].since_update >= fault.begins for rule in fault.rules)
    assert next(iter(findings)) in fault.rules


@pytest.mark.slow
def test_a_healthy_training_has_no_findings():
    """The same training without a fault."""
    assert diagnosis_of(faulty_run(None, 10)) == {}


WITHOUT_FAULT = {
    "low_entropy",
    "policy_converged",
    "critic_idle",
    "kl_not_finite",
    "abrupt_collapse",
    "log_probs_recomputed",
}
"""Rules about policies without recorded returns or after learning, about long trainings, about a KL
divergence that this trainer bounds, about policies without heads, as `head_collapse` is about the others, and
about updates whose minibatches see nothing; trainings of other programs have faults for most of these."""


def test_every_rule_has_a_fault():
    """The rules of the faults are all the rules, but for those about metrics that only the run knows."""
    found = {rule for fault in FAULTS.values() for rule in fault.rules}

    assert found | WITHOUT_FAULT == {rule.id for rule in RULES if not rule.per_metric}


def test_the_page_is_up_to_date_with_the_rules():
    """It has the titles and advice of all rules."""
    text = PAGE.read_text(encoding="utf-8")

    for rule in RULES:
        assert f"## {rule.id}" in text
        assert title_of(rule) in text
        assert all(advice in text for advice in rule.advice)


def test_the_page_was_measured_with_the_present_rules_and_recordings():
    """After a change of either, `python -m docs.make_findings` measures anew."""
    text = PAGE.read_text(encoding="utf-8")
    if not fingerprint_of(text):
        pytest.skip("the page has not been measured with recordings yet")

    assert fingerprint_of(text) == fingerprint()
    assert all(part in text for rule in RULES for part in signs(rule))


def test_the_page_says_how_often_a_rule_was_right_and_wrong_and_on_what():
    """In a table, and in the section of the rule."""
    result = Measurement(amounts={("sb3", "CartPole"): Amount(2, 1200, 3, 75)})
    result.healthy.updates = 1000
    result.rules["large_updates"] = Confusion(
        hits=2, misses=1, missed_by_all=Counter({"logits × 50": 1}), missed_damage=Counter(["logits × 50"]),
        delays=[0, 2], onset_errors=[0, 0], false=Counter(warning=2), false_in=Counter({"sb3 Taxi": 2}),
        secondary=3, in_falls=1,
    )  # fmt: skip
    text = page(result)

    assert "| sb3 | CartPole | 2 | 1,200 | 3 | 75 |" in text
    assert re.search(
        r"\| \[`large_updates`\].* \| 2 of 3 \| 1 \| 1 \(0…2\) \| 0 \| 2.00 \| sb3 Taxi 2 \|", text
    )
    assert "It applied in 2 of 3 trainings with a fault that it is about, 1 (0…2) updates after" in text
    assert "In 1 no rule named the fault (logits × 50 1); it did damage in 1 of these." in text
    assert "It was wrong 2 times in 1,000 healthy updates: sb3 Taxi 2." in text
    assert "3 times with a fault that it does not name, once around a fall of the return" in text
    assert fingerprint_of(text) == fingerprint()
