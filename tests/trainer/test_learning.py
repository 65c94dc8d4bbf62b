"""With the default settings Tamiyo learns to get more return than always waiting does."""

import pytest
from tests.trainer.sink import Sink

from esper_trainer.config import TrainingConfig
from esper_trainer.runner import train


@pytest.mark.slow
def test_twelve_updates_pass_the_baseline():
    """With the default seed, 64 environments of the lite preset; the first update is still below it."""
    returns = []

    summary = train(
        TrainingConfig(episodes=12, threads=1),
        Sink().connect,
        lambda report: returns.append(report.mean_return),
    )

    assert returns[0] < summary.baseline_return
    assert sum(returns[-3:]) / 3 > 1.2 * summary.baseline_return
