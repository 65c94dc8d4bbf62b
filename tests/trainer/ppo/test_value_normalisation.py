"""The scale of the critic follows the returns, and its values do not change."""

import copy

import pytest
import torch

from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.config import TrainingConfig
from esper_trainer.environments.morph.action_masks import static_choices
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.presets import Preset
from esper_trainer.learner.ppo_update import PPO
from esper_trainer.model.action_layout import action_layout
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.batch import Moments
from esper_trainer.ppo.rollout_collector import RolloutCollector
from esper_trainer.ppo.value_normalisation import UPDATE_RATE, update_normalisation

CPU = torch.device("cpu")
SHORT = Preset("short", sgd_steps=1, batch_size=4, validation_size=8, horizon=24)


def moments(mean, std):
    """The moments of returns."""
    return Moments(torch.tensor(mean), torch.tensor(std))


@pytest.fixture
def policy():
    """A small policy."""
    return Tamiyo(116, 16, seed=0)


def values(policy):
    """The critic's values of fixed observations."""
    return policy(torch.linspace(-1, 1, 4 * 3 * 116).view(4, 3, 116)).values.detach()


def test_values_stay_while_the_scale_moves(policy):
    """They agree in the unit of the return, to float32 precision."""
    before = values(policy)
    for _ in range(60):
        update_normalisation(policy, moments(50.0, 20.0))

    assert policy.value_mean.item() == pytest.approx(50 * (1 - (1 - UPDATE_RATE) ** 60), rel=1e-4)
    assert policy.value_std.item() == pytest.approx(20.0, rel=0.01)
    torch.testing.assert_close(values(policy), before, rtol=1e-4, atol=1e-4)


def test_returns_that_are_not_finite_change_nothing(policy):
    """The state is bit-identical."""
    update_normalisation(policy, moments(3.0, 2.0))
    before = copy.deepcopy(policy.state_dict())
    update_normalisation(policy, moments(float("nan"), float("inf")))

    assert all(torch.equal(before[name], tensor) for name, tensor in policy.state_dict().items())


def critic_gradient(policy, scale, kind):
    """The gradient norm of an update before clipping, with rewards of that scale."""
    environment = MorphEnvironment(4, SHORT, seed=0, device=CPU)
    rollout = (
        RolloutCollector(policy, environment, action_layout(CPU), seed=1).collect(lambda: None).transitions
    )
    rollout.rewards.mul_(scale)
    for _ in range(60 if kind == "popart" else 0):
        update_normalisation(policy, moments(0.0, scale))
    config = TrainingConfig(
        environments=4, hidden_size=16, value_normalisation=kind, epochs=1, value_clip=0.0
    )
    ppo = PPO(policy, action_layout(CPU), static_choices(CPU), config)
    packed = ppo.update(rollout)
    return ppo.payload(packed, TelemetryLevel.NORMAL, {}).grad_norm_pre_clip


def test_large_returns_do_not_make_large_gradients(policy):
    """Rewards of 1,000 times the size make a huge gradient, unless the critic is normalised."""
    twin = copy.deepcopy(policy)

    assert critic_gradient(twin, 1000.0, "none") > 50 * critic_gradient(policy, 1000.0, "popart")


def test_bfloat16_gives_similar_values_in_float32():
    """Values differ from those of float32, but only slightly."""
    exact, rough = Tamiyo(116, 16, seed=0), Tamiyo(116, 16, seed=0, precision="bfloat16")
    observations = torch.linspace(-1, 1, 4 * 3 * 116).view(4, 3, 116)
    one, other = exact(observations), rough(observations)

    assert other.logits.dtype == other.values.dtype == torch.float32
    assert not torch.equal(one.values, other.values)
    torch.testing.assert_close(one.values, other.values, rtol=0.05, atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("setting", [{"precision": "bfloat16"}, {"value_normalisation": "popart"}])
def test_an_update_with_either_option_learns_and_reads_nothing(setting, no_host_reads):
    """Nothing is read on the host; the ratios of the first epoch are 1 within the precision."""
    config = TrainingConfig(environments=4, hidden_size=16, epochs=1, **setting)
    policy = Tamiyo(116, 16, seed=0, precision=config.precision)
    before = policy.output.weight.detach().clone()
    environment = MorphEnvironment(4, SHORT, seed=0, device=CPU)
    collector = RolloutCollector(policy, environment, action_layout(CPU), seed=1)
    ppo = PPO(policy, action_layout(CPU), static_choices(CPU), config)
    with no_host_reads():
        packed = ppo.update(collector.collect(lambda: None).transitions)
    payload = ppo.payload(packed, TelemetryLevel.NORMAL, {})

    assert not torch.equal(before, policy.output.weight)
    assert payload.skipped_steps == 0
    assert payload.head_op_ratio_max == pytest.approx(1.0, abs=0.02)
