"""Checks of an update are 0 up to rounding if it is correct, and large if it is not."""

import math

import pytest

pytest.importorskip("numpy")

import numpy as np

from esper_lite import checks
from esper_schemas.errors import InvalidArgument
from esper_schemas.metrics.catalogue import CATALOGUE

GAMMA, LAMBDA = 0.97, 0.9


@pytest.fixture
def steps():
    """A rollout of 40 steps of three environments, with episodes that end."""
    generator = np.random.default_rng(0)
    rewards, values = generator.normal(size=(2, 40, 3)).astype(np.float32)
    starts = (generator.random((40, 3)) < 0.1).astype(np.float32)
    return checks.Steps(rewards, values, starts, generator.normal(size=3), np.array([0.0, 1.0, 0.0]))


def loop(steps):
    """GAE by its definition, one environment after another."""
    rewards, values, starts, last_values, last_starts = (np.asarray(column, float) for column in steps)
    result = np.zeros_like(rewards)
    for place in range(rewards.shape[1]):
        following = 0.0
        for step in reversed(range(len(rewards))):
            ends = last_starts[place] if step == len(rewards) - 1 else starts[step + 1, place]
            after = last_values[place] if step == len(rewards) - 1 else values[step + 1, place]
            delta = rewards[step, place] + GAMMA * after * (1 - ends) - values[step, place]
            following = delta + GAMMA * LAMBDA * (1 - ends) * following
            result[step, place] = following
    return result


def residual(used, steps):
    """The residual of some advantages."""
    return checks.advantages(used, steps, gamma=GAMMA, gae_lambda=LAMBDA)["gae_residual"]


def test_the_advantages_are_those_of_the_definition(steps):
    """Episodes end within the rollout and after it."""
    ours = checks.generalised_advantages(steps, gamma=GAMMA, gae_lambda=LAMBDA)

    assert ours == pytest.approx(loop(steps))
    assert residual(loop(steps).astype(np.float32), steps) < 1e-5


@pytest.mark.parametrize(
    "change",
    [
        np.negative,
        lambda a: np.roll(a, 1, 0),
        lambda a: np.random.default_rng(1).permutation(a),
        lambda a: 2 * a,
    ],
    ids=["sign", "late", "shuffled", "scaled"],
)
def test_other_advantages_are_found(steps, change):
    """They have another sign, belong to other steps, or are scaled."""
    assert residual(change(loop(steps)), steps) > 0.3


def test_rounding_of_nearly_equal_returns_is_not_an_error(steps):
    """Values near 1,000 are rounded by more than advantages of 1e-5."""
    flat = steps._replace(
        rewards=np.zeros((40, 3)), values=np.full((40, 3), 1000.0), starts=np.zeros((40, 3))
    )
    flat = flat._replace(last_values=np.full(3, 1000.0), last_starts=np.zeros(3))
    exact = checks.generalised_advantages(flat, gamma=1.0, gae_lambda=LAMBDA)

    found = checks.advantages(exact + 6e-5, flat, gamma=1.0, gae_lambda=LAMBDA)

    assert found["gae_residual"] < 1e-3


def test_the_first_minibatch_of_the_policy_that_acted_has_ratios_of_1():
    """Noise of 0.1 is far beyond rounding."""
    old = np.random.default_rng(0).normal(-1.0, 0.3, 64).astype(np.float32)
    noise = np.random.default_rng(1).normal(0.0, 0.1, 64)

    assert checks.first_minibatch(old + np.float32(1e-8), old)["initial_ratio_max"] < 1e-6
    noisy = checks.first_minibatch(old + noise, old)
    assert noisy["initial_ratio_max"] == pytest.approx(np.abs(np.exp(noise) - 1).max(), rel=1e-3)
    assert noisy["initial_kl"] == pytest.approx((np.exp(noise) - 1 - noise).mean(), rel=1e-3)


def test_what_is_masked_does_not_count():
    """Steps that fill up sequences have any log-probability."""
    found = checks.first_minibatch([-1.0, 5.0], [-1.0, 0.0], mask=[True, False])

    assert found == {"initial_ratio_max": 0.0, "initial_kl": 0.0}
    assert checks.first_minibatch([1.0], [1.0], mask=[0]) == {}


def test_late_rewards_and_cancelling_differences_are_found():
    """Sums of rewards would be equal in both cases."""
    rewards = np.random.default_rng(0).normal(size=(32, 4))
    moved = rewards.copy()
    moved[5, 0], moved[5, 1] = rewards[5, 0] + 1.0, rewards[5, 1] - 1.0

    assert checks.reward_checksum(rewards, rewards) == {"reward_checksum_error": 0.0}
    assert checks.reward_checksum(np.roll(rewards, 1, 0), rewards)["reward_checksum_error"] > 0.01
    assert checks.reward_checksum(moved, rewards)["reward_checksum_error"] > 1e-3
    assert checks.reward_checksum([0.0], [0.0]) == {"reward_checksum_error": 0.0}


def test_a_whole_update_shows_whether_good_actions_became_likelier():
    """KL, clip fraction and ratio are those of the definition."""
    generator = np.random.default_rng(0)
    advantages, old = generator.normal(size=(2, 500))
    change = 0.1 * advantages + 0.05 * generator.normal(size=500)

    found = checks.whole_update(old + change, old, advantages, clip_range=0.2)

    assert found["kl_final"] == pytest.approx((np.exp(change) - 1 - change).mean())
    assert found["clip_fraction_final"] == (np.abs(np.exp(change) - 1) > 0.2).mean()
    assert found["ratio_max_final"] == pytest.approx(np.exp(change.max()))
    assert found["advantage_correlation"] == pytest.approx(np.corrcoef(change, advantages)[0, 1])
    assert set(found) <= set(CATALOGUE)


def test_a_policy_that_did_not_move_has_no_correlation():
    """0 / 0 is not logged."""
    found = checks.whole_update(np.zeros(9), np.zeros(9), np.arange(9.0), clip_range=0.2)

    assert "advantage_correlation" not in found
    assert all(map(math.isfinite, found.values()))


def test_tensors_with_gradients_and_lists_are_accepted():
    """Also those of bfloat16, which NumPy does not have."""
    torch = pytest.importorskip("torch")
    new = torch.tensor([-0.5, -1.0], requires_grad=True)

    assert checks.first_minibatch(new, [-0.5, -1.0])["initial_ratio_max"] == 0.0
    half = torch.tensor([-0.5, -1.0], dtype=torch.bfloat16)
    assert checks.first_minibatch(half, half)["initial_ratio_max"] == 0.0


def test_another_shape_is_refused():
    """Broadcasting would compare other steps."""
    with pytest.raises(InvalidArgument, match=r"old_log_probs has the shape \(2, 1\)"):
        checks.first_minibatch([0.0, 0.0], [[0.0], [0.0]])
