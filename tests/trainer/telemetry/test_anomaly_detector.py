"""Every kind of anomaly is told once, when it begins, and only where it should."""

import importlib
import math
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from esper_schemas.anomalies import ANOMALY_RULES
from esper_schemas.events import PPOUpdateCompleted, RolloutCompleted
from esper_schemas.payload import PPOUpdatePayload
from esper_trainer.config import TrainingConfig
from esper_trainer.telemetry.anomaly_detector import AnomalyDetector

DOCS = Path(__file__).parents[3] / "docs"
HEALTHY = {
    "value_loss": 0.5, "entropy_normalized": 0.8, "kl_divergence": 0.01, "explained_variance": 0.6,
    "grad_norm_pre_clip": 1.0, "value_std": 1.0, "return_std": 1.2, "return_variance_low": 0.0,
    "nan_grad_count": 0, "inf_grad_count": 0, "lstm_hidden_rms": 0.3, "lstm_cell_rms": 0.5,
    "lstm_input_gate_saturation": 0.2, "head_op_entropy_legal": 0.7,
}  # fmt: skip

FAULTS = {
    "numerical_instability": ({"kl_divergence": math.nan}, 1),
    "entropy_collapse": ({"entropy_normalized": 0.05}, 1),
    "kl_spike": ({"kl_divergence": 0.2}, 1),
    "ratio_explosion": ({"head_slot_ratio_max": 7.0}, 1),
    "ratio_collapse": ({"head_slot_ratio_min": 0.01}, 1),
    "low_explained_variance": ({"explained_variance": -0.1}, 3),
    "value_collapse": ({"value_std": 0.01}, 3),
    "value_explosion": ({"value_loss": 100.0}, 1),
    "gradient_drift": ({"grad_norm_pre_clip": 0.01}, 3),
    "lstm_explosion": ({"lstm_cell_rms": 50.0}, 1),
    "lstm_vanishing": ({"lstm_hidden_rms": 1e-9}, 1),
    "lstm_saturation": ({"lstm_input_gate_saturation": 0.99}, 3),
    "head_entropy_collapse": ({"head_op_entropy_legal": 0.01}, 3),
    "performance_degradation": ({"mean_return": -5.0}, 3),
}
"""Kind to what is wrong in the payload or the return, and in which of the faulty updates it is told."""


def observed(detector, updates, first=1, progress=0.5, **changes):
    """The anomalies of so many updates that are healthy apart from the changes."""
    mean_return = changes.pop("mean_return", 10.0)
    payload = PPOUpdatePayload(**(HEALTHY | changes))
    return [
        anomaly
        for update in range(first, first + updates)
        for anomaly in detector.observe(update, payload, mean_return, progress)
    ]


def test_every_kind_has_a_fault():
    """No kind is there that nobody has seen told."""
    assert {rule.kind for rule in ANOMALY_RULES} == set(FAULTS)


def test_healthy_updates_have_no_anomalies():
    """However many."""
    assert observed(AnomalyDetector(), 40) == []


@pytest.mark.parametrize("kind", FAULTS)
def test_a_kind_is_told_once_and_again_after_it_was_over(kind):
    """In the first update in which it has lasted long enough, and no other kind with it."""
    changes, told_in = FAULTS[kind]
    detector = AnomalyDetector()
    observed(detector, 12)
    begun = observed(detector, 4, first=13, **changes)
    over = observed(detector, 60, first=20)
    again = observed(detector, 4, first=80, **changes)

    assert [(a.anomaly, a.update) for a in begun] == [(kind, 12 + told_in)]
    assert over == []
    assert [(a.anomaly, a.update) for a in again] == [(kind, 79 + told_in)]


def test_a_head_is_over_its_collapse_only_well_above_the_bound():
    """Between the bound and one and a half times it, nothing begins anew."""
    detector = AnomalyDetector()
    begun = observed(detector, 3, head_op_entropy_legal=0.07)
    observed(detector, 3, head_op_entropy_legal=0.10)
    between = observed(detector, 3, head_op_entropy_legal=0.07)
    observed(detector, 1, head_op_entropy_legal=0.13)
    again = observed(detector, 3, head_op_entropy_legal=0.07)

    assert [(a.head, a.threshold) for a in begun] == [("op", 0.08)]
    assert between == []
    assert len(again) == 1


def test_two_updates_are_not_three_in_a_row():
    """A usual update in between begins the count anew; one that measured nothing does not."""
    detector = AnomalyDetector()
    observed(detector, 2, head_op_entropy_legal=0.01)
    observed(detector, 1)
    assert observed(detector, 2, head_op_entropy_legal=0.01) == []
    assert observed(detector, 2, head_op_entropy_legal=None) == []
    assert len(observed(detector, 1, head_op_entropy_legal=0.01)) == 1


@pytest.mark.parametrize(
    ("progress", "value", "expected"),
    [(0.05, -0.4, 0), (0.05, -0.6, 1), (0.2, -0.1, 0), (0.2, -0.3, 1), (0.5, 0.05, 0), (0.9, 0.05, 1)],
)
def test_explained_variance_is_asked_for_by_phase(progress, value, expected):
    """-0.5, -0.2, 0 and 0.1; nothing where returns hardly vary."""
    changes = {"progress": progress, "explained_variance": value}

    assert len(observed(AnomalyDetector(), 5, **changes)) == expected
    assert observed(AnomalyDetector(), 5, **changes, return_variance_low=1.0) == []


def test_ratios_come_with_entropy_and_divergence():
    """The worst head is named."""
    (anomaly,) = observed(AnomalyDetector(), 1, head_op_ratio_max=6.0, head_tempo_ratio_max=8.0)

    assert (anomaly.head, anomaly.value, anomaly.threshold) == ("tempo", 8.0, 5.0)
    assert "entropy 0.8 of its maximum, KL 0.01" in anomaly.detail


def test_a_warm_up_passes_before_gradients_and_returns_are_judged():
    """The running means know too little before; the first tenth of a run is not judged by its return."""
    for changes in ({"grad_norm_pre_clip": 50.0}, {"mean_return": -5.0}):
        detector = AnomalyDetector()
        observed(detector, 3)
        assert observed(detector, 1, **changes) == []
    detector = AnomalyDetector()
    observed(detector, 12, progress=0.05)
    assert observed(detector, 4, progress=0.05, mean_return=-5.0) == []


def test_a_detector_goes_on_from_its_state():
    """Streaks, what lasts and the running means are in it."""
    first, second = AnomalyDetector(), AnomalyDetector()
    changes = {"head_op_entropy_legal": 0.01, "kl_divergence": 0.5}
    observed(first, 12)
    observed(first, 2, **changes)
    second.load(first.state())
    after = changes | {"grad_norm_pre_clip": 90.0}

    assert second.state() == first.state()
    assert observed(second, 3, **after) == observed(first, 3, **after)
    assert second.state() == first.state()


def real_anomalies(name, updates):
    """(kind, update) of all anomalies of a short real run with a fault of `docs/faults.py`."""
    sys.path.insert(0, str(DOCS))
    try:
        faults = importlib.import_module("faults")
    finally:
        sys.path.remove(str(DOCS))
    fault = next((fault for fault in faults.FAULTS if fault.name == name), None)
    config = TrainingConfig(environments=8, hidden_size=32, threads=1, episodes=updates)
    detector, mean_return, found = AnomalyDetector(), 0.0, []
    for event in faults.faulty_run(fault, config):
        if isinstance(event, RolloutCompleted):
            mean_return = event.mean_return
        if isinstance(event, PPOUpdateCompleted):
            found += detector.observe(event.update, event.payload, mean_return, event.update / updates)
    return [(anomaly.anomaly, anomaly.update) for anomaly in found]


@pytest.mark.parametrize(
    ("name", "updates", "expected"),
    [
        ("none", 6, []),
        ("NaN gradient", 5, [("numerical_instability", 4)]),
        ("constant critic", 7, [("value_collapse", 6)]),
        ("frozen critic", 5, [("low_explained_variance", 4)]),
    ],
)
def test_real_faults_are_found_and_nothing_else(name, updates, expected):
    """In real trainings of a few updates, with and without a fault."""
    assert real_anomalies(name, updates) == expected
