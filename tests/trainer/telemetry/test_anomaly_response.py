"""After an anomaly a run measures more for some updates, even if it is resumed."""

import os
import signal

import pytest

pytest.importorskip("torch")

from tests.trainer.sink import Sink

from esper_bus.store.run_reader import read_records
from esper_schemas.events import (
    AnomalyDetected,
    LayerGradientsSampled,
    PPOUpdateCompleted,
    RatioExplosionDiagnosed,
    RunStarted,
    TelemetryEscalated,
)
from esper_trainer.config import TrainingConfig
from esper_trainer.request import TrainingRequest
from esper_trainer.run.resume import last_checkpoint, resumed_config
from esper_trainer.runner import train
from esper_trainer.session import TrainingPlan, plan, record_training

# With this learning rate the first update moves the policy far.
CONFIG = TrainingConfig(
    environments=4, hidden_size=16, threads=1, episodes=8, learning_rate=0.3, target_kl=0.0
)

# The ratio of a head exceeds 5 in the first update.
EXPLODING = {"environments": 16, "hidden_size": 64, "threads": 1, "learning_rate": 0.15}


def response(run_dir):
    """The events of the detector and those that follow from it, in order."""
    kinds = AnomalyDetected | TelemetryEscalated | LayerGradientsSampled
    return [record.event for record in read_records(run_dir) if isinstance(record.event, kinds)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never interrupted."""
    run_dir = tmp_path_factory.mktemp("runs") / "whole"
    run_dir.mkdir()
    record_training(TrainingPlan(CONFIG, run_dir), False)
    return run_dir


@pytest.mark.slow
def test_an_anomaly_raises_the_level_of_the_updates_after_the_next(whole):
    """Events of the DEBUG level are emitted from then until the update that the event names."""
    events = response(whole)
    escalated = [event for event in events if isinstance(event, TelemetryEscalated)]
    sampled = [event.update for event in events if isinstance(event, LayerGradientsSampled)]
    first, last = escalated[0].update + 2, min(escalated[-1].until_update, CONFIG.episodes)

    assert any(isinstance(event, AnomalyDetected) for event in events)
    assert sampled == list(range(first, last + 1))


@pytest.mark.slow
def test_a_resumed_run_responds_like_the_uninterrupted_one(tmp_path, whole):
    """Streaks and the raised level are restored from the checkpoint."""
    record_training(TrainingPlan(CONFIG, tmp_path), False, lambda report: _stop_after(report, 3))
    start = last_checkpoint(tmp_path)
    record_training(TrainingPlan(resumed_config(start, {}), tmp_path, start), False)

    assert start.update < CONFIG.episodes
    assert response(tmp_path) == response(whole)


def _stop_after(report, update):
    """End the training as Ctrl-C does, once."""
    if report.update == update:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_l2_the_transitions_are_diagnosed_in_the_update_in_which_their_ratios_exploded():
    """The diagnosis names the head of the anomaly, whose ratios the update left beyond their bound."""
    sink = Sink()
    train(TrainingConfig(episodes=2, **EXPLODING), sink.connect)
    anomalies = [event for event in sink.of(AnomalyDetected) if event.anomaly == "ratio_explosion"]
    diagnosed = [event for event in sink.of(RatioExplosionDiagnosed) if event.update == 1]
    payload = sink.of(PPOUpdateCompleted)[0].payload

    assert {anomaly.head for anomaly in anomalies} & {event.head for event in diagnosed}
    for event in diagnosed:
        assert max(event.ratios) == pytest.approx(getattr(payload, f"head_{event.head}_ratio_max"), rel=1e-4)


@pytest.mark.slow
def test_an_explosion_is_not_diagnosed_without_telemetry():
    """OFF measures the ratios, and nothing more is computed for them."""
    sink = Sink()
    train(TrainingConfig(episodes=2, telemetry="off", **EXPLODING), sink.connect)

    assert "ratio_explosion" in {event.anomaly for event in sink.of(AnomalyDetected)}
    assert sink.of(RatioExplosionDiagnosed) == []


@pytest.mark.slow
def test_l5_escalation_that_is_switched_off_leaves_the_level_as_it_is():
    """The anomalies are reported as before."""
    sink = Sink()
    train(TrainingConfig(episodes=2, escalation="all=0", **EXPLODING), sink.connect)

    assert "ratio_explosion" in {event.anomaly for event in sink.of(AnomalyDetected)}
    assert sink.of(TelemetryEscalated) == []


WITHOUT_GATES = "[rules.lstm_saturation]\nenabled = false\n"


@pytest.mark.slow
def test_the_detector_has_the_thresholds_of_the_run(whole, tmp_path):
    """A rule that the run disables reports no anomaly, nor after it is resumed; the others do."""
    run_dir = tmp_path / "tolerant"
    run_dir.mkdir()
    record_training(
        TrainingPlan(CONFIG, run_dir, thresholds=WITHOUT_GATES), False, lambda r: _stop_after(r, 3)
    )
    record_training(plan(TrainingRequest(runs_dir=tmp_path, name="tolerant", resume=True)), False)
    started = [r.event for r in read_records(run_dir) if isinstance(r.event, RunStarted)]
    with_rule, without_it = (
        {event.anomaly for event in response(run) if isinstance(event, AnomalyDetected)}
        for run in (whole, run_dir)
    )

    assert [event.thresholds for event in started] == [WITHOUT_GATES, WITHOUT_GATES]
    assert with_rule - without_it == {"lstm_saturation"}
    assert without_it
