"""Scheduled coefficients equal hand calculations, from the first update to the last."""

import pytest
from tests.trainer.sink import Sink

from esper_schemas.events import PPOUpdateCompleted
from esper_trainer.config import TrainingConfig
from esper_trainer.ppo.coefficient_schedules import scheduled_coefficients
from esper_trainer.runner import train


def learning_rates(**settings):
    """The learning rates of all updates; the full one is 1."""
    config = TrainingConfig(learning_rate=1.0, **settings)
    return [scheduled_coefficients(config, update).learning_rate for update in range(1, config.episodes + 1)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"episodes": 3}, [1, 1, 1]),
        ({"episodes": 5, "learning_rate_schedule": "linear"}, [1, 0.75, 0.5, 0.25, 0]),
        ({"episodes": 3, "learning_rate_schedule": "linear", "learning_rate_final": 0.5}, [1, 0.75, 0.5]),
        ({"episodes": 5, "learning_rate_schedule": "cosine"}, [1, 0.8535534, 0.5, 0.1464466, 0]),
        ({"episodes": 5, "warmup_updates": 3}, [0.25, 0.5, 0.75, 1, 1]),
        ({"episodes": 4, "warmup_updates": 1, "learning_rate_schedule": "linear"}, [0.5, 1, 0.5, 0]),
        ({"episodes": 1, "learning_rate_schedule": "linear"}, [1]),
        ({"episodes": 2, "warmup_updates": 3, "learning_rate_schedule": "cosine"}, [0.25, 0.5]),
    ],
)
def test_learning_rates_are_those_of_a_hand_calculation(settings, expected):
    """Warm-up, then the schedule; a run of one update uses the full rate."""
    assert learning_rates(**settings) == pytest.approx(expected)


def test_the_entropy_coefficient_falls_without_warm_up():
    """It has its own schedule."""
    config = TrainingConfig(
        episodes=3, warmup_updates=2, entropy_coefficient=0.1, entropy_schedule="linear", entropy_final=0.2
    )
    found = [scheduled_coefficients(config, update).entropy_coefficient for update in (1, 2, 3)]

    assert found == pytest.approx([0.1, 0.06, 0.02])


@pytest.mark.slow
def test_the_payload_has_the_rates_that_were_used():
    """With a learning rate of 0 the last update does not change the policy."""
    sink = Sink()
    settings = {"learning_rate_schedule": "linear", "entropy_schedule": "linear"}
    train(TrainingConfig(episodes=3, environments=2, hidden_size=8, threads=1, **settings), sink.connect)
    payloads = [event.payload for event in sink.of(PPOUpdateCompleted)]

    assert [payload.learning_rate for payload in payloads] == pytest.approx([1.5e-3, 7.5e-4, 0.0])
    assert [payload.entropy_coefficient for payload in payloads] == pytest.approx([0.01, 0.005, 0.0])
    assert payloads[1].kl_divergence > 1e-9
    assert payloads[2].kl_divergence == pytest.approx(0.0, abs=1e-9)
