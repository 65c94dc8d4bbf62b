"""Every rule finds its faults in short real trainings, and none applies to a healthy one."""

import importlib
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from esper_aggregator.fold.fold import fold_all
from esper_aggregator.fold.projection import project
from esper_schemas.events import Record
from esper_schemas.rules.diagnose import diagnose
from esper_schemas.rules.rules import RULES
from esper_trainer.config import TrainingConfig

DOCS = Path(__file__).parents[2] / "docs"


def faults_module():
    """`docs/faults.py`, imported as a top-level module like in `docs/make_findings.py`."""
    sys.path.insert(0, str(DOCS))
    try:
        return importlib.import_module("faults")
    finally:
        sys.path.remove(str(DOCS))


faults = faults_module()


def diagnosis_of(fault, updates):
    """The findings at the end of a short training, by rule."""
    config = TrainingConfig(environments=8, hidden_size=32, threads=1, episodes=updates)
    records = [
        Record(run="r", producer="p", epoch=1, seq=seq, emitted_ns=seq, received_ns=seq, event=event)
        for seq, event in enumerate(faults.faulty_run(fault, config))
    ]
    snapshot = project(fold_all(records))
    assert list(snapshot.findings) == diagnose(snapshot)
    return {finding.rule: finding for finding in snapshot.findings}


@pytest.mark.slow
@pytest.mark.parametrize("fault", faults.FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found(fault):
    """All of its rules find it, not before it began, and the first finding is one of theirs."""
    findings = diagnosis_of(fault, fault.updates)

    assert set(fault.rules) <= set(findings)
    assert all(findings[rule].since_update >= fault.begins for rule in fault.rules)
    assert next(iter(findings)) in fault.rules


@pytest.mark.slow
def test_a_healthy_training_has_no_findings():
    """The same training without a fault."""
    assert diagnosis_of(None, 10) == {}


WITHOUT_FAULT = {"low_entropy", "policy_converged", "critic_idle", "kl_not_finite"}
"""Rules about policies without recorded returns or after learning, about long trainings, and about a KL
divergence that this trainer bounds."""


def test_every_rule_has_a_fault():
    """The rules of the faults are all the rules, but for those about metrics that only the run knows."""
    found = {rule for fault in faults.FAULTS for rule in fault.rules}

    assert found | WITHOUT_FAULT == {rule.id for rule in RULES if not rule.per_metric}


def test_the_page_is_up_to_date_with_the_rules():
    """It has the titles and advice of all rules, and the descriptions of all faults."""
    page = (DOCS / "reference" / "findings.md").read_text(encoding="utf-8")

    for rule in RULES:
        assert f"## {rule.id}" in page
        assert rule.title.replace("{head}", "(name)").replace("{metric}", "(metric)") in page
        assert all(advice in page for advice in rule.advice)
    for fault in faults.FAULTS:
        assert fault.words in page
