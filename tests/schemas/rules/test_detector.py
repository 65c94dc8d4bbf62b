"""Every kind of anomaly is reported once, when it begins."""

import math

import pytest

from esper_schemas.declarations import HeadSpec
from esper_schemas.payload import HeadMeasures, PPOUpdatePayload
from esper_schemas.rules.anomaly_rules import ANOMALY_RULES
from esper_schemas.rules.detector import AnomalyDetector

HEALTHY = {
    "value_loss": 0.5, "entropy_normalized": 0.8, "kl_divergence": 0.01, "explained_variance": 0.6,
    "grad_norm_pre_clip": 1.0, "value_std": 1.0, "return_std": 1.2, "return_variance_low": 0.0,
    "nan_grad_count": 0, "inf_grad_count": 0, "lstm_hidden_rms": 0.3, "lstm_cell_rms": 0.5,
    "lstm_input_gate_saturation": 0.2, "head_op_entropy_legal": 0.7, "head_slot_ratio_max": 1.1,
    "head_slot_ratio_min": 0.9,
}  # fmt: skip

FAULTS = {
    "numerical_instability": ({"kl_divergence": math.nan}, 1),
    "entropy_collapse": ({"entropy_normalized": 0.05}, 1),
    "kl_spike": ({"kl_divergence": 0.2}, 1),
    "ratio_explosion": ({"head_slot_ratio_max": 7.0, "kl_divergence": 0.05}, 1),
    "ratio_collapse": ({"head_slot_ratio_min": 0.01, "kl_divergence": 0.05}, 1),
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
"""Maps each kind to changes of the payload or the return, and to the faulty update that reports it."""


def observed(detector, updates, first=1, progress=0.5, **changes):
    """The anomalies of a number of updates that are healthy apart from the changes."""
    mean_return = changes.pop("mean_return", 10.0)
    payload = PPOUpdatePayload(**(HEALTHY | changes))
    return [
        anomaly
        for update in range(first, first + updates)
        for anomaly in detector.observe(update, payload, mean_return, progress)
    ]


def test_every_kind_has_a_fault():
    """`FAULTS` has all kinds of the rules and no others."""
    assert {rule.kind for rule in ANOMALY_RULES} == set(FAULTS)


def test_healthy_updates_have_no_anomalies():
    """Forty healthy updates report nothing."""
    assert observed(AnomalyDetector(), 40) == []


@pytest.mark.parametrize("kind", FAULTS)
def test_a_kind_is_reported_once_and_again_after_it_ended(kind):
    """It is reported in the update in which it has lasted long enough, and no other kind is."""
    changes, reported_in = FAULTS[kind]
    detector = AnomalyDetector()
    observed(detector, 12)
    begun = observed(detector, 4, first=13, **changes)
    over = observed(detector, 60, first=20)
    again = observed(detector, 4, first=80, **changes)

    assert [(a.anomaly, a.update) for a in begun] == [(kind, 12 + reported_in)]
    assert over == []
    assert [(a.anomaly, a.update) for a in again] == [(kind, 79 + reported_in)]


def test_the_collapse_of_a_head_ends_only_well_above_the_bound():
    """Entropies up to 1.5 times the bound, or above that for less than three updates, do not end it."""
    detector = AnomalyDetector()
    observed(detector, 1)
    begun = observed(detector, 3, head_op_entropy_legal=0.07)
    observed(detector, 5, head_op_entropy_legal=0.10)
    observed(detector, 2, head_op_entropy_legal=0.6)
    between = observed(detector, 3, head_op_entropy_legal=0.07)
    observed(detector, 3, head_op_entropy_legal=0.6)
    again = observed(detector, 3, head_op_entropy_legal=0.07)

    assert [(a.head, a.threshold) for a in begun] == [("op", 0.08)]
    assert between == []
    assert len(again) == 1


def test_two_updates_are_not_three_in_a_row():
    """A normal update in between resets the count; one without the value does not."""
    detector = AnomalyDetector()
    observed(detector, 1)
    observed(detector, 2, head_op_entropy_legal=0.01)
    observed(detector, 1)
    assert observed(detector, 2, head_op_entropy_legal=0.01) == []
    assert observed(detector, 2, head_op_entropy_legal=None) == []
    assert len(observed(detector, 1, head_op_entropy_legal=0.01)) == 1


@pytest.mark.parametrize(
    ("progress", "value", "expected"),
    [(0.05, -0.4, 0), (0.05, -0.6, 1), (0.2, -0.1, 0), (0.2, -0.3, 1), (0.5, 0.05, 0), (0.9, 0.05, 1)],
)
def test_the_bound_of_the_explained_variance_depends_on_progress(progress, value, expected):
    """It is -0.5, -0.2, 0 and 0.1; nothing is reported where returns hardly vary."""
    changes = {"progress": progress, "explained_variance": value}

    assert len(observed(AnomalyDetector(), 5, **changes)) == expected
    assert observed(AnomalyDetector(), 5, **changes, return_variance_low=1.0) == []


def test_h2_ratios_come_with_entropy_and_divergence():
    """The report names the worst head."""
    (anomaly,) = observed(
        AnomalyDetector(), 1, head_op_ratio_max=6.0, head_tempo_ratio_max=8.0, kl_divergence=0.03
    )

    assert (anomaly.head, anomaly.value, anomaly.threshold) == ("tempo", 8.0, 5.0)
    assert "entropy 0.8 of its maximum, KL 0.03" in anomaly.detail


@pytest.mark.parametrize(("divergence", "expected"), [(0.01, 0), (0.02, 1), (None, 1), (math.nan, 1)])
def test_h2_a_ratio_counts_only_where_the_policy_as_a_whole_moved(divergence, expected):
    """A large ratio with a small KL divergence is not an explosion; with an unknown divergence it is."""
    found = observed(AnomalyDetector(), 1, head_op_ratio_max=6.0, kl_divergence=divergence)

    assert sum(anomaly.anomaly == "ratio_explosion" for anomaly in found) == expected


def entropies(*values):
    """The anomalies of updates with these normalised entropies, as (kind, number of the update)."""
    detector = AnomalyDetector()
    found = [
        observed(detector, 1, first=update, entropy_normalized=value, head_op_entropy_legal=value)
        for update, value in enumerate(values, 1)
    ]
    return [(anomaly.anomaly, anomaly.update) for anomalies in found for anomaly in anomalies]


def test_c1_a_policy_that_falls_below_the_bound_has_collapsed():
    """A fall from 0.8 to 0.05 in four updates is reported at once, for the head after three low values."""
    assert entropies(0.8, 0.6, 0.3, 0.05, 0.05, 0.05) == [
        ("entropy_collapse", 4),
        ("head_entropy_collapse", 6),
    ]


def test_c1_a_policy_that_converges_has_not_collapsed():
    """Its entropy falls from 0.8 to 0.05 in steps of 0.03, and then crosses the bound repeatedly."""
    assert entropies(*(0.8 - 0.03 * step for step in range(26)), *(0.05, 0.2) * 20) == []


def test_c1_a_policy_without_any_choice_has_collapsed_even_if_slowly():
    """A slow fall to 0 is reported at the first entropy below 0.02, but not for a single head."""
    assert entropies(*(max(0.0, 0.8 - 0.03 * step) for step in range(40))) == [("entropy_collapse", 28)]


def test_c1_a_fall_counts_updates_even_where_a_head_was_not_measured():
    """With eight updates without a value, the fall takes more than ten updates; with six it does not."""
    quick, slow = AnomalyDetector(), AnomalyDetector()
    for detector, unmeasured in ((quick, 6), (slow, 8)):
        observed(detector, 1, head_op_entropy_legal=0.8)
        observed(detector, unmeasured, head_op_entropy_legal=None)

    assert len(observed(quick, 3, head_op_entropy_legal=0.05)) == 1
    assert observed(slow, 3, head_op_entropy_legal=0.05) == []


def test_c2_a_spike_of_the_divergence_is_reported_once():
    """It is reported again after three calm updates, but not after two."""
    detector = AnomalyDetector()
    spikes = [0.5, 0.01, 0.01, 0.5, 0.01, 0.01, 0.01, 0.5]
    found = [observed(detector, 1, first=n, kl_divergence=value) for n, value in enumerate(spikes)]

    assert [anomaly.update for anomalies in found for anomaly in anomalies] == [0, 7]


def test_l4_an_explosion_does_not_become_normal():
    """Five updates have gradients 1,000 times larger; after twenty normal ones the next such is reported."""
    detector = AnomalyDetector()
    observed(detector, 12)
    observed(detector, 5, first=13, grad_norm_pre_clip=1000.0)

    assert observed(detector, 20, first=18) == []
    assert [a.update for a in observed(detector, 4, first=38, grad_norm_pre_clip=1000.0)] == [40]


def test_l4_a_drop_that_lasts_does_not_become_normal():
    """After six noisy updates the return falls far, and the third low update is reported."""
    detector = AnomalyDetector()
    for update, mean_return in enumerate((1.8, 2.1, 1.9, 2.2, 2.0, 2.1)):
        observed(detector, 1, first=update, mean_return=mean_return)

    assert [a.update for a in observed(detector, 5, first=6, mean_return=-60.0)] == [8]


def test_l4_a_warm_up_passes_before_gradients_and_returns_are_checked():
    """The running means need some values first; returns are not checked in the first tenth of a run."""
    for changes in ({"grad_norm_pre_clip": 50.0}, {"mean_return": -5.0}):
        detector = AnomalyDetector()
        observed(detector, 3)
        assert observed(detector, 1, **changes) == []
    detector = AnomalyDetector()
    observed(detector, 12, progress=0.05)
    assert observed(detector, 4, progress=0.05, mean_return=-5.0) == []


def test_a_detector_continues_from_its_state():
    """The state has streaks, ongoing anomalies and the running means."""
    first, second = AnomalyDetector(), AnomalyDetector()
    changes = {"head_op_entropy_legal": 0.01, "kl_divergence": 0.5}
    observed(first, 12)
    observed(first, 2, **changes)
    second.load(first.state())
    after = changes | {"grad_norm_pre_clip": 90.0}

    assert second.state() == first.state()
    assert observed(second, 3, **after) == observed(first, 3, **after)
    assert second.state() == first.state()


def test_anomalies_of_own_heads_are_found_by_their_own_maximum():
    """A ratio, and an entropy that fell; a continuous head has no collapse, and Tamiyo's heads are absent."""
    heads = (HeadSpec("move", 5), HeadSpec("steer"))
    detector = AnomalyDetector(heads)
    free = {"move": HeadMeasures(entropy=1.4, ratio_max=1.1), "steer": HeadMeasures(entropy=1.0)}
    stuck = {"move": HeadMeasures(entropy=0.05, ratio_max=9.0), "steer": HeadMeasures(entropy=-9.0)}
    found = [*observed(detector, 5, heads=free), *observed(detector, 5, heads=stuck, kl_divergence=0.05)]

    assert [(anomaly.anomaly, anomaly.head, anomaly.metric) for anomaly in found] == [
        ("ratio_explosion", "move", "heads/move/ratio_max"),
        ("head_entropy_collapse", "move", "heads/move/entropy_legal"),
    ]
    assert observed(AnomalyDetector(heads), 5, head_op_ratio_max=50.0, kl_divergence=0.05) == []
