"""The trainer's detector reports what a diagnosis of the same events finds, once, when it begins."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_schemas.declarations import HeadSpec
from esper_schemas.events import PPOUpdateCompleted, Record, RolloutCompleted, RunStarted
from esper_schemas.payload import HeadMeasures, PPOUpdatePayload
from esper_schemas.rules.detector import AnomalyDetector, anomaly_event
from esper_schemas.rules.rules import ESCALATION, RULES
from esper_schemas.rules.settings import settings_of

CONFIG = {"epochs": 4, "target_kl": 0.02}
HEALTHY = {
    "value_loss": 0.5, "entropy_normalized": 0.8, "kl_divergence": 0.01, "clip_fraction": 0.1,
    "explained_variance": 0.6, "grad_norm_pre_clip": 1.0, "value_std": 1.0, "return_std": 1.2,
    "return_variance_low": 0.0, "nan_grad_count": 0, "inf_grad_count": 0, "lstm_hidden_rms": 0.3,
    "lstm_cell_rms": 0.5, "lstm_input_gate_saturation": 0.2, "head_op_entropy_legal": 0.7,
    "head_slot_ratio_max": 1.1, "head_slot_ratio_min": 0.9,
}  # fmt: skip

FAULTS = {
    "numerical_instability": ({"kl_divergence": math.nan}, 1),
    "kl_spike": ({"kl_divergence": 2.0}, 1),
    "ratio_explosion": ({"head_slot_ratio_max": 7.0}, 2),
    "ratio_collapse": ({"head_slot_ratio_min": 0.01}, 2),
    "low_explained_variance": ({"explained_variance": -0.6}, 6),
    "value_collapse": ({"value_std": 0.01}, 10),
    "value_explosion": ({"value_loss": 5000.0}, 2),
    "gradient_drift": ({"grad_norm_pre_clip": 100.0}, 3),
    "lstm_explosion": ({"lstm_cell_rms": 50.0}, 2),
    "lstm_vanishing": ({"lstm_hidden_rms": 1e-9}, 2),
    "lstm_saturation": ({"lstm_input_gate_saturation": 0.99}, 3),
    "head_entropy_collapse": ({"head_op_entropy_legal": 0.01}, 2),
    "vanishing_gradient": ({"grad_norm_pre_clip": 1e-9}, 3),
    "policy_frozen": ({"kl_divergence": 0.0, "clip_fraction": 0.0}, 5),
}
"""Maps kinds to changes of the payload, and to the faulty update that reports them."""


def events_of(first, updates, mean_return=10.0, **changes):
    """The events of a number of updates that are healthy apart from the changes; their return varies."""
    payload = PPOUpdatePayload(**(HEALTHY | changes))
    for update in range(first, first + updates):
        varied = mean_return + 0.5 * (-1) ** update
        yield RolloutCompleted(update=update, env_steps=8, mean_return=varied, std_return=1.0)
        yield PPOUpdateCompleted(update=update, payload=payload)


def observed(detector, *args, **changes):
    """The anomalies that the events of `events_of` begin: kind and update."""
    rollout, found = None, []
    for event in events_of(*args, **changes):
        if isinstance(event, RolloutCompleted):
            rollout = event
            continue
        begun = detector.observe(rollout, event)
        anomalies = [anomaly_event(event.update, beginning) for beginning in begun]
        found += [(anomaly.anomaly, anomaly.update) for anomaly in anomalies if anomaly]
    return found


def new_detector():
    """A detector with the settings of `CONFIG`."""
    return AnomalyDetector(settings_of(CONFIG))


def test_healthy_updates_have_no_anomalies():
    """Forty healthy updates report nothing."""
    assert observed(new_detector(), 1, 40) == []


@pytest.mark.parametrize("kind", FAULTS)
def test_a_kind_is_reported_once_and_again_after_it_ended(kind):
    """It is reported in the update in which it has lasted long enough, and no other kind is."""
    changes, reported_in = FAULTS[kind]
    detector = new_detector()
    observed(detector, 1, 12)
    begun = observed(detector, 13, 10, **changes)
    over = observed(detector, 23, 60)
    again = observed(detector, 83, 10, **changes)

    assert begun == [(kind, 12 + reported_in)]
    assert over == []
    lasting = any(rule.kind == kind and rule.lasting for rule in RULES)
    assert again == ([] if lasting else [(kind, 82 + reported_in)])


def test_a_loss_of_return_is_no_anomaly_but_raises_the_level():
    """Its notice begins as a kind with an escalation."""
    detector = new_detector()
    observed(detector, 1, 20)
    rising = [detector.observe(*pair) for pair in _pairs(events_of(21, 20, mean_return=100.0))]
    falling = [detector.observe(*pair) for pair in _pairs(events_of(41, 12, mean_return=10.0))]
    kinds = {beginning.kind for begun in falling for beginning in begun}

    assert not any(rising)
    assert "performance_degradation" in kinds
    assert ESCALATION["performance_degradation"] == 3
    assert all(anomaly_event(1, beginning) is None for begun in falling for beginning in begun)


def _pairs(events):
    events = list(events)
    return list(zip(events[::2], events[1::2], strict=True))


def test_an_anomaly_names_metric_value_and_bound():
    """Value and bound are those of the metric of the payload."""
    detector = new_detector()
    observed(detector, 1, 12)
    first, second = _pairs(events_of(13, 2, lstm_cell_rms=50.0))
    assert detector.observe(*first) == []
    anomaly = anomaly_event(14, detector.observe(*second)[0])

    assert (anomaly.metric, anomaly.value, anomaly.threshold) == ("lstm_cell_rms", 50.0, 32.0)
    assert anomaly.detail == "The cell state of the LSTM explodes: LSTM cell state 50"


def test_a_checkpoint_continues_the_same_anomalies():
    """A detector that is restored between two updates reports the same as one that is not."""
    whole, first = new_detector(), new_detector()
    events = [*events_of(1, 12), *events_of(13, 2, head_op_entropy_legal=0.01), *events_of(15, 3)]
    pairs = _pairs(events)
    for pair in pairs[:13]:
        assert whole.observe(*pair) == first.observe(*pair)
    restored = new_detector()
    restored.load(first.state())

    assert [restored.observe(*pair) for pair in pairs[13:]] == [whole.observe(*pair) for pair in pairs[13:]]
    assert restored.state() == whole.state()


def test_a_checkpoint_of_another_version_is_left_out():
    """The detector begins anew."""
    detector = new_detector()
    detector.load({"derived": {}, "courses": {}})

    assert detector.state() == new_detector().state()


def test_the_collapse_of_an_own_head_names_the_head():
    """Heads that a run declares are judged like those of Tamiyo."""
    detector = AnomalyDetector(heads=(HeadSpec("move", 4),))
    begun = []
    for update in range(1, 12):
        entropy = 1.2 if update < 8 else 0.001
        payload = PPOUpdatePayload(heads={"move": HeadMeasures(entropy=entropy)})
        begun += detector.observe(None, PPOUpdateCompleted(update=update, payload=payload))

    assert [(beginning.kind, beginning.finding.head) for beginning in begun] == [
        ("head_entropy_collapse", "move")
    ]


def test_kinds_of_one_name_have_one_escalation():
    """A user switches a kind off by its name."""
    assert all(ESCALATION[rule.kind] == rule.escalation for rule in RULES)


_VALUES = {
    "kl_divergence": (0.01, 0.0, 0.2, 2.0, math.nan),
    "clip_fraction": (0.1, 0.0, 0.7),
    "value_loss": (0.5, 900.0, 1e9, math.inf),
    "entropy_normalized": (0.8, 0.02),
    "explained_variance": (0.6, -0.9, math.nan),
    "grad_norm_pre_clip": (1.0, 1e-9, 200.0),
    "value_std": (1.0, 0.001),
    "head_op_entropy_legal": (0.7, 0.01),
    "head_slot_ratio_max": (1.1, 9.0),
    "lstm_cell_rms": (0.5, 60.0),
    "skipped_steps": (0, 3),
    "epochs_completed": (4, 1),
}
_stretches = st.lists(
    st.tuples(
        st.integers(1, 9),
        st.sampled_from((10.0, 0.0, -50.0, 1e9, math.nan)),
        st.fixed_dictionaries({}, optional={name: st.sampled_from(v) for name, v in _VALUES.items()}),
    ),
    min_size=1,
    max_size=6,
)


@given(stretches=_stretches, config=st.sampled_from([CONFIG, {}, {"n_epochs": 1}]))
def test_detector_and_diagnosis_never_disagree(stretches, config):
    """After every update the findings that began are those of the fold, with onset and evidence."""
    state, detector, seq = RunState(), AnomalyDetector(settings_of(config)), -1

    def record(event):
        nonlocal seq
        seq += 1
        fold(
            state,
            Record(run="r", producer="p", epoch=1, seq=seq, emitted_ns=seq, received_ns=seq, event=event),
        )

    record(RunStarted(task="t", episodes=60, environments=1, horizon=8, seed=0, device="cpu", config=config))
    update, present = 1, set()
    for length, mean_return, changes in stretches:
        for rollout, completed in _pairs(events_of(update, length, mean_return, **changes)):
            record(rollout)
            record(completed)
            begun = detector.observe(rollout, completed)
            findings = project(state).findings
            now = {(finding.rule, finding.head) for finding in findings}
            assert {(b.finding.rule, b.finding.head) for b in begun} == now - present
            assert all(b.finding in findings for b in begun)
            present = now
        update += length
