"""A training whose critic has yet to learn is not reported."""

import pytest

pytest.importorskip("torch")

from benchmarks.verdicts.replay import Replay
from tests.trainer.sink import Sink

from esper_schemas.events import AnomalyDetected, PPOUpdateCompleted
from esper_trainer.config import TrainingConfig
from esper_trainer.runner import train

ABOUT_THE_CRITIC = {"critic_not_learning", "critic_untrained", "critic_idle", "value_collapse"}


@pytest.mark.slow
def test_a_critic_that_is_worse_than_a_constant_for_some_updates_may_still_learn():
    """With one epoch per rollout it takes six updates of this training until it explains anything."""
    sink, replay = Sink(), Replay()
    train(
        TrainingConfig(environments=8, hidden_size=32, threads=1, seed=1, epochs=1, episodes=10),
        sink.connect,
    )
    explained = [event.payload.explained_variance for event in sink.of(PPOUpdateCompleted)]
    findings = {finding.rule for event in sink.events for finding in replay.fold([event])}

    assert max(explained[:5]) < 0.0 < explained[-1]
    assert findings & ABOUT_THE_CRITIC == set()
    assert "low_explained_variance" not in {event.anomaly for event in sink.of(AnomalyDetected)}
