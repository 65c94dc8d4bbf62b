"""Every kind of anomaly is provoked in a short real training, and reported once.

The trainings are those of `docs/faults.py`: real environments, policy and updates, healthy up to the update
at which a fault begins.
"""

from dataclasses import asdict

import pytest

pytest.importorskip("torch")

import torch
from tests.docs.faulty_trainings import CONFIG, FAULTS, faulty_run, known_run

from docs import faults
from esper_schemas.events import PPOUpdateCompleted, RolloutCompleted
from esper_schemas.heads import HEAD_SIZES
from esper_schemas.rules.detector import AnomalyDetector
from esper_schemas.rules.rules import ESCALATION
from esper_schemas.rules.settings import settings_of

BEGINS = 3
LATER = 12
"""An update after the warm-up of the running mean of gradient norms."""


def anomalies(fault, updates):
    """(kind, update, metric, head) of all anomalies in the first updates of a real training."""
    events = known_run(fault.name) if fault and fault.name in FAULTS else faulty_run(fault, updates)
    detector, rollout, found = AnomalyDetector(settings_of(asdict(CONFIG))), None, []
    for event in events:
        if isinstance(event, RolloutCompleted):
            rollout = event
        if isinstance(event, PPOUpdateCompleted) and event.update <= updates:
            begun = detector.observe(rollout, event)
            found += [(each.kind, event.update, each.sign.metric, each.finding.head) for each in begun]
    return found


def fault(begins=BEGINS, **what):
    """A fault that is not in the table of `docs/faults.py`."""
    return faults.Fault(name="", words="", rules=(), updates=0, begins=begins, **what)


def known(name):
    """A fault of the table, by its name."""
    return FAULTS[name]


def prefers(*heads):
    """Damage that makes one choice of each of these heads far more probable than the others."""

    def damage(policy):
        with torch.no_grad():
            for head in heads:
                rows = faults.rows_of(head)
                policy.output.bias[rows] += 30.0 * torch.arange(HEAD_SIZES[head])

    return damage


CASES = {
    "C1 all heads": (fault(damage=prefers(*HEAD_SIZES)), 5, [("head_entropy_collapse", 4)] * 6),
    "C1 entropy_collapse": (
        known("no entropy bonus"), 16, [("head_entropy_collapse", 5), ("entropy_collapse", 14)],
    ),
    "head_entropy_collapse": (fault(damage=prefers("op")), 6, [("head_entropy_collapse", 4, "op")]),
    "M3 numerical_instability": (
        known("NaN gradient"), 6, [("numerical_instability", 4), ("steps_skipped", 5)],
    ),
    "numerical_instability of a reward": (
        known("NaN reward"), 6, [("numerical_instability", 4), ("steps_skipped", 5)],
    ),
    "low_explained_variance": (
        known("random critic"), 9, [("critic_untrained", 6), ("low_explained_variance", 9)],
    ),
    "value_collapse": (known("constant critic"), 14, [("critic_untrained", 6), ("value_collapse", 13)]),
    "value_explosion": (known("rewards × 1000"), 12, [("value_explosion", 11)]),
    "gradient_drift": (fault(LATER, damage=faults.scale_gradients(1000.0)), 15, [("gradient_drift", 14)]),
    "vanishing_gradient": (known("gradients × 1e-9"), 7, [("vanishing_gradient", 6)]),
    "performance_degradation": (
        fault(7, rewards=lambda rewards: rewards.sub_(0.03)), 10, [("performance_degradation", 10)],
    ),
    "lstm_vanishing": (
        fault(1, damage=faults.sets_lstm(0.0, 0.0, 0.0, 0.0)), 4, [("lstm_vanishing", 2)],
    ),
    "lstm_explosion": (
        fault(damage=faults.sets_lstm(2.0, 20.0, 20.0, 0.0)), 5, [("lstm_explosion", 4)],
    ),
    "lstm_saturation": (
        fault(damage=faults.sets_lstm(5.0, -5.0, 1.0, 5.0)), 6, [("lstm_saturation", 5)],
    ),
    "head_frozen": (known("frozen head"), 7, [("head_frozen", 6, "blueprint")]),
    "policy_frozen": (known("learning rate × 1e-6"), 9, [("policy_frozen", 8)]),
}  # fmt: skip
"""The fault, the number of updates, and all anomalies: kind, update, and possibly the head.
"""


def shown(found):
    """The parts of anomalies that the cases name."""
    return [(kind, update, *([head] if head else [])) for kind, update, _, head in found]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_an_anomaly_is_reported_once_when_it_begins(case):
    """No other kind is reported."""
    broken, updates, expected = CASES[case]
    found = anomalies(broken, updates)

    assert [item[:2] for item in shown(found)] == [item[:2] for item in expected]
    assert all(item in shown(found) for item in expected if len(item) > 2)


@pytest.mark.slow
def test_c2_h2_a_head_that_acts_as_another_policy_is_shown_by_divergence_and_ratios():
    """So is that old log-probabilities are not those of the policy that acted."""
    found = anomalies(fault(damage=faults.acts_as_another("blueprint", 5.0)), 5)
    ratios = {(kind, update, head) for kind, update, _, head in found if kind != "kl_spike"}

    assert {kind for kind, *_ in found} == {"kl_spike", "ratio_explosion", "stale_log_probs"}
    assert ratios == {
        ("stale_log_probs", BEGINS, None),
        ("ratio_explosion", BEGINS + 1, "blueprint"),
        ("ratio_explosion", BEGINS + 1, None),
    }


@pytest.mark.slow
def test_c2_h2_updates_that_are_too_large_are_shown_by_divergence_and_ratios():
    """The learning rate is 100 times larger; only the LSTM's explosion may be reported as well."""
    found = anomalies(known("learning rate × 100"), 6)
    updates = {kind: update for kind, update, _, _ in reversed(found)}

    assert "kl_spike" in updates
    assert updates.keys() & {"ratio_explosion", "ratio_collapse"}
    assert updates.keys() <= {"kl_spike", "ratio_explosion", "ratio_collapse", "lstm_explosion"}
    assert all(4 <= update <= 6 for update in updates.values())


@pytest.mark.slow
def test_h2_the_head_whose_logits_explode_is_named():
    """Its entropy is reported in the second update with logits 1,000 times larger, and no other head is."""
    found = anomalies(known("loud head"), 7)
    kinds = [kind for kind, *_ in found]

    assert ("head_entropy_collapse", 5) in [(kind, update) for kind, update, _, _ in found]
    assert len(set(kinds)) == len(kinds)
    assert set(kinds) <= {"head_entropy_collapse", "ratio_explosion", "ratio_collapse"}
    assert {head for _, _, _, head in found} == {"blueprint"}


@pytest.mark.slow
def test_the_same_training_without_a_fault_has_no_anomaly():
    """It has as many updates as the longest of the cases above."""
    assert anomalies(None, 15) == []


BY_OTHER_TESTS = {"kl_spike", "ratio_explosion", "ratio_collapse"}


def test_every_kind_of_the_review_is_provoked():
    """The tests of divergence and ratios provoke those that `CASES` lacks."""
    found = {kind for _, _, expected in CASES.values() for kind, *_ in expected}

    assert {
        "numerical_instability", "entropy_collapse", "kl_spike", "ratio_explosion", "ratio_collapse",
        "low_explained_variance", "value_collapse", "value_explosion", "gradient_drift", "lstm_explosion",
        "lstm_vanishing", "lstm_saturation", "head_entropy_collapse", "performance_degradation",
    } <= found | BY_OTHER_TESTS <= set(ESCALATION)  # fmt: skip
