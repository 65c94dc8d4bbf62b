"""An update reads nothing on the host, stops early like a loop with a break, and measures every field."""

import copy
import dataclasses
import math

import pytest
import torch
from msgspec import structs
from torch.distributions import Categorical
from torch.utils._python_dispatch import TorchDispatchMode

from esper_schemas.heads import CAUSAL, ENTROPY_COEFFICIENT_MULTIPLIERS, HEAD_SIZES, HEADS, Op
from esper_schemas.metrics.metric import TelemetryLevel
from esper_schemas.payload import PPOMetrics, PPOUpdatePayload
from esper_trainer.config import TrainingConfig
from esper_trainer.environments.morph.action_masks import static_choices
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.presets import Preset
from esper_trainer.learner.ppo_update import PPO
from esper_trainer.measure.packed_metrics import HOST_FIELDS, SCHEMAS, unpack_final
from esper_trainer.model.action_layout import OP, action_layout
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.batch import compute_targets, make_batch
from esper_trainer.ppo.coefficient_schedules import ScheduledCoefficients
from esper_trainer.ppo.rollout_collector import RolloutCollector

CPU = torch.device("cpu")
NORMAL, DEBUG = TelemetryLevel.NORMAL, TelemetryLevel.DEBUG
CONSTANTS = action_layout(CPU)
CHOICES = static_choices(CPU)
SHORT = Preset("short", sgd_steps=1, batch_size=4, validation_size=8, horizon=24)
ENVIRONMENTS = 6


@pytest.fixture(scope="module")
def started():
    """A small policy and a rollout that it collected."""
    policy = Tamiyo(116, 16, seed=0)
    environment = MorphEnvironment(ENVIRONMENTS, SHORT, seed=0, device=CPU)
    collected = RolloutCollector(policy, environment, CONSTANTS, seed=1).collect(lambda: None)
    return policy, collected.transitions


@pytest.fixture
def policy(started):
    """A copy of the policy, to be changed."""
    return copy.deepcopy(started[0])


@pytest.fixture
def rollout(started):
    """A copy of the rollout, to be changed."""
    return type(started[1])(*(column.clone() for column in started[1]))


def config_of(**settings):
    """A configuration with large steps, so that four epochs move the policy."""
    settings = {"learning_rate": 3e-2, "target_kl": 0.0, "max_grad_norm": 1.0} | settings
    settings |= {"gamma": 0.995, "gae_lambda": 0.97}
    return TrainingConfig(environments=ENVIRONMENTS, hidden_size=16, **settings)


def ppo_of(policy, **settings):
    """A PPO for this policy."""
    return PPO(policy, CONSTANTS, CHOICES, config_of(**settings))


def update(policy, rollout, **settings):
    """The metrics of one update."""
    ppo = ppo_of(policy, **settings)
    return ppo.payload(ppo.update(rollout), NORMAL, {})


def weights(policy):
    """All parameters in one tensor."""
    return torch.nn.utils.parameters_to_vector(policy.parameters()).detach().clone()


class TestReference:
    """The update against plain PyTorch in float64, with torch.distributions and loops over heads."""

    def losses(self, policy, rollout, config):
        """Policy loss, value loss, entropy bonus and KL of one evaluation."""
        targets = compute_targets(rollout, config.gamma, config.gae_lambda)
        batch = make_batch(rollout, targets, CHOICES, CONSTANTS)
        policy = copy.deepcopy(policy).double()
        hidden, _ = policy.lstm(policy.features(rollout.observations.double()))
        *logits, values = policy.output(hidden).split([*HEAD_SIZES.values(), 1], dim=-1)
        advantages, returns = targets.advantages.double(), targets.returns.double()
        advantages = (advantages - advantages.mean()) / advantages.std(correction=0)
        policy_loss, bonus, kls = 0.0, 0.0, []
        for index, head in enumerate(HEADS):
            legal = (batch.penalty.split(list(HEAD_SIZES.values()))[index] == 0).movedim(0, -1)
            chances = Categorical(logits=logits[index].masked_fill(~legal, -1e9))
            ops = rollout.actions[:, OP]
            relevant = torch.isin(ops, torch.tensor([op for op in Op if head in CAUSAL[op]]))
            usable = torch.stack([rollout.ops[:, op] for op in Op if head in CAUSAL[op]]).any(0)
            log_ratio = (chances.log_prob(rollout.actions[:, index]) - rollout.log_probs[:, index])[relevant]
            ratio, gain = log_ratio.exp(), advantages[relevant]
            if relevant.any():
                policy_loss -= torch.minimum(ratio * gain, ratio.clamp(0.8, 1.2) * gain).mean()
            if usable.any():
                multiplier = ENTROPY_COEFFICIENT_MULTIPLIERS[head]
                bonus += multiplier * chances.entropy()[usable].mean()
            kls.append(ratio - 1 - log_ratio)
        squared_errors = (values.squeeze(-1) - returns).square()
        return policy_loss, 0.5 * squared_errors.mean(), bonus, torch.cat(kls).mean(), policy

    def test_one_step_has_the_losses_of_the_reference(self, policy, rollout):
        """Losses, KL divergence and gradient norm agree to float32 precision."""
        config = config_of(epochs=1, value_coefficient=0.5, entropy_coefficient=0.05)
        policy_loss, value_loss, bonus, kl, twin = self.losses(policy, rollout, config)
        (policy_loss + 0.5 * value_loss - 0.05 * bonus).backward()
        norm = torch.cat([p.grad.flatten() for p in twin.parameters()]).norm().item()

        payload = update(policy, rollout, epochs=1, entropy_coefficient=0.05)

        assert payload.policy_loss == pytest.approx(policy_loss.item(), abs=1e-5)
        assert payload.value_loss == pytest.approx(value_loss.item(), rel=1e-4)
        assert payload.kl_divergence == pytest.approx(kl.item(), abs=1e-6)
        assert payload.grad_norm_pre_clip == pytest.approx(norm, rel=1e-4)

    def test_after_an_epoch_the_losses_of_the_moved_policy_are_measured(self, policy, rollout):
        """Two epochs give means of the reference's losses before and after the first step."""
        config = config_of()
        before = self.losses(policy, rollout, config)[:4]
        moved = copy.deepcopy(policy)
        update(moved, rollout, epochs=1)
        after = self.losses(moved, rollout, config)[:4]

        payload = update(policy, rollout, epochs=2)

        means = [(one + other).item() / 2 for one, other in zip(before, after, strict=True)]
        assert payload.policy_loss == pytest.approx(means[0], abs=1e-4)
        assert payload.value_loss == pytest.approx(means[1], rel=1e-3)
        assert payload.kl_divergence == pytest.approx(means[3], rel=1e-3)
        assert payload.kl_divergence > 1e-4


def test_ratios_are_1_in_the_first_epoch(policy, rollout):
    """The stored log-probabilities are those of the same policy; nothing is clipped."""
    payload = update(policy, rollout, epochs=1)

    for head in HEADS:
        assert getattr(payload, f"head_{head}_ratio_max") == pytest.approx(1.0, abs=1e-4)
        assert getattr(payload, f"head_{head}_ratio_min") == pytest.approx(1.0, abs=1e-4)
    assert payload.kl_divergence == pytest.approx(0.0, abs=1e-7)
    assert payload.clip_fraction == 0.0


def test_later_epochs_move_every_head_by_its_own_ratio(policy, rollout):
    """Maxima are above 1 and differ, minima are below 1; joint extremes are further out."""
    payload = update(policy, rollout)
    largest = [getattr(payload, f"head_{head}_ratio_max") for head in HEADS]
    smallest = [getattr(payload, f"head_{head}_ratio_min") for head in HEADS]

    assert min(largest) > 1.0 > max(smallest)
    assert len(set(largest)) == len(HEADS)
    assert payload.joint_ratio_max > max(largest)
    assert payload.joint_ratio_min < min(smallest)


def test_what_is_rewarded_becomes_more_probable(policy, rollout):
    """GERMINATE has reward 1, all other ops 0, and gamma is 0."""
    germinate = rollout.actions[:, OP] == Op.GERMINATE
    rollout.rewards.copy_(germinate.float())
    possible = rollout.ops[:, Op.GERMINATE].flatten()

    def share():
        mask = rollout.ops.movedim(1, 0).flatten(1)
        logits = policy(rollout.observations).logits[: len(Op)].detach()
        return logits.masked_fill(~mask, -torch.inf).softmax(0)[Op.GERMINATE][possible].mean().item()

    before = share()
    config = config_of(learning_rate=3e-3)
    ppo = PPO(policy, CONSTANTS, CHOICES, dataclasses.replace(config, gamma=0.0))
    for _ in range(5):
        ppo.update(rollout)

    assert share() > before + 0.02


def test_two_updates_write_every_field_of_the_payload(policy, rollout):
    """Every field differs from its default after at least one of them, and those of the first are finite."""
    ppo = ppo_of(policy)
    payloads = []
    for level in (DEBUG, DEBUG):
        packed, host = ppo.update(rollout, level, rollout.rewards), dict.fromkeys(HOST_FIELDS, 1.0)
        final = unpack_final(ppo.measure_final(rollout))
        payloads.append(structs.replace(ppo.payload(packed, level, host), **final))
    unwritten = PPOUpdatePayload()
    same = [
        name
        for name in PPOMetrics.__struct_fields__
        if all(getattr(payload, name) == getattr(unwritten, name) for payload in payloads)
    ]

    assert same == []
    assert all(math.isfinite(getattr(payloads[0], name)) for name in SCHEMAS[NORMAL].names)


class TestTargetKL:
    """An update stops without a host read."""

    def stopped_on_host(self, policy, rollout, limit, epochs):
        """Make the same update with a `break` on the host and plain Adam; return the number of steps."""
        ppo = ppo_of(policy)
        adam = torch.optim.Adam(policy.parameters(), lr=3e-2, eps=1e-5, fused=True)
        targets = compute_targets(rollout, 0.995, 0.97)
        batch = make_batch(rollout, targets, CHOICES, CONSTANTS).flatten()
        for taken in range(epochs):
            loss, evaluation = ppo.loss(batch)
            kl = (evaluation.ratios - 1 - evaluation.log_ratios) * batch.relevance
            if kl.sum(1).sum().item() / batch.relevance.sum().item() > limit:
                return taken
            gradients = torch.autograd.grad(loss, list(policy.parameters()))
            norm = torch.cat([part.flatten() for part in gradients]).norm()
            scale = (1.0 / (norm + 1e-6)).clamp_max(1.0)
            for parameter, gradient in zip(policy.parameters(), gradients, strict=True):
                parameter.grad = gradient * scale
            adam.step()
        return epochs

    @pytest.mark.parametrize("target_kl", [1e-5, 0.01, 0.03, 0.1, 10.0])
    def test_the_stop_is_bit_identical_to_a_break_on_the_host(self, policy, rollout, target_kl):
        """This holds for a stop after one epoch, after some, and for none."""
        twin = copy.deepcopy(policy)

        payload = update(policy, rollout, target_kl=target_kl, epochs=8)
        taken = self.stopped_on_host(twin, rollout, 1.5 * target_kl, 8)

        assert torch.equal(weights(policy), weights(twin))
        assert payload.epochs_completed == taken
        assert payload.skipped_steps == 0

    def test_the_cases_above_stop_at_different_epochs(self, policy, rollout):
        """They include a stop after one epoch, one after some, and none."""
        taken = {
            update(copy.deepcopy(policy), rollout, target_kl=kl, epochs=8).epochs_completed
            for kl in (1e-5, 0.01, 0.03, 0.1, 10.0)
        }

        assert {1, 8} < taken

    def test_what_follows_the_stop_is_not_measured(self, policy, rollout):
        """An update that stops after one step reports the same with two and with eight epochs."""
        stopped = update(copy.deepcopy(policy), rollout, target_kl=1e-5, epochs=8)
        short = update(copy.deepcopy(policy), rollout, target_kl=1e-5, epochs=2)

        assert stopped == short

    def test_without_a_target_nothing_stops(self, policy, rollout):
        """A target of 0 disables it."""
        assert update(policy, rollout, target_kl=0.0, epochs=8).epochs_completed == 8


class TestNotFinite:
    """Rollouts with values that are not finite."""

    def test_a_nan_reward_skips_every_step_and_is_counted(self, policy, rollout):
        """The policy is bit-identical; the metrics count the skipped steps and are NaN."""
        rollout.rewards[5, 2] = torch.nan
        before = weights(policy)

        payload = update(policy, rollout)

        assert torch.equal(weights(policy), before)
        assert payload.skipped_steps == 4
        assert payload.epochs_completed == 0
        assert payload.nan_grad_count > 0
        assert math.isnan(payload.policy_loss)
        assert math.isnan(payload.grad_norm)
        assert math.isnan(payload.return_mean)

    def test_the_next_update_is_not_affected(self, policy, rollout):
        """It gives the weights of a policy without the infinite reward."""
        twin = copy.deepcopy(policy)
        poisoned = type(rollout)(*(column.clone() for column in rollout))
        poisoned.rewards[0, 0] = torch.inf
        disturbed, undisturbed = ppo_of(policy), ppo_of(twin)
        disturbed.update(poisoned)
        disturbed.update(rollout)
        undisturbed.update(rollout)

        assert torch.equal(weights(policy), weights(twin))


class TestMinibatches:
    """Minibatches are made of whole environments."""

    def test_every_environment_is_used_once_per_epoch(self, policy, rollout):
        """Relevances are those of a single batch."""
        one = update(copy.deepcopy(policy), rollout, epochs=1)
        three = update(copy.deepcopy(policy), rollout, epochs=1, minibatches=3)

        assert three.epochs_completed == one.epochs_completed == 1
        for head in HEADS:
            name = f"head_{head}_relevance"
            assert getattr(three, name) == pytest.approx(getattr(one, name))

    def test_they_are_drawn_from_the_seed(self, policy, rollout):
        """The same seed gives bit-identical weights, another seed others."""
        results = []
        for seed in (0, 0, 1):
            twin = copy.deepcopy(policy)
            update(twin, rollout, minibatches=3, seed=seed)
            results.append(weights(twin))

        assert torch.equal(results[0], results[1])
        assert not torch.equal(results[0], results[2])


def test_the_scheduled_entropy_coefficient_weighs_the_bonus(policy, rollout):
    """Equal increases of the coefficient lower the loss by equal amounts."""
    ppo = ppo_of(policy, entropy_coefficient=0.0)
    targets = compute_targets(rollout, 0.995, 0.97)
    batch = make_batch(rollout, targets, CHOICES, CONSTANTS).flatten()
    losses = []
    for coefficient in (0.0, 0.1, 0.2):
        ppo.set_coefficients(ScheduledCoefficients(learning_rate=0.0, entropy_coefficient=coefficient))
        losses.append(ppo.loss(batch)[0].item())

    assert losses[0] - losses[1] > 0.1
    assert losses[1] - losses[2] == pytest.approx(losses[0] - losses[1], rel=1e-4)


def debug_payload(policy, rollout, **settings):
    """The payload of one update at the DEBUG level."""
    ppo = ppo_of(policy, **settings)
    return ppo.payload(ppo.update(rollout, DEBUG), DEBUG, {})


def test_halves_with_equal_experience_have_a_gradient_without_noise(policy, rollout):
    """Each environment has a copy in the other half."""
    observations, *others = rollout
    twice = type(rollout)(
        observations.repeat_interleave(2, dim=1),
        *(column.repeat_interleave(2, dim=-1) for column in others),
    )

    assert debug_payload(copy.deepcopy(policy), twice).gradient_noise_scale == pytest.approx(0.0, abs=1e-3)
    assert debug_payload(policy, rollout).gradient_noise_scale > 1.0


def test_a_policy_that_hardly_moves_has_no_churn(policy, rollout):
    """Steps a million times larger change decisions, in some of the updates on the same rollout."""
    assert debug_payload(copy.deepcopy(policy), rollout, learning_rate=1e-12).policy_churn == 0.0
    assert debug_payload(policy, rollout).policy_churn > 0.0


def test_the_signs_change_nothing_about_the_update(policy, rollout):
    """The parameters after an update are the same at every level."""
    after = []
    for level in TelemetryLevel:
        copied = copy.deepcopy(policy)
        ppo_of(copied).update(rollout, level)
        after.append(weights(copied))

    assert all(torch.equal(after[0], other) for other in after[1:])


class Operations(TorchDispatchMode):
    """Counts operations, each of which is about one kernel on a CUDA device, except for views."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("minibatches", [1, 2])
def test_normal_telemetry_adds_at_most_a_tenth_of_the_operations(policy, rollout, minibatches):
    """The checks of rewards are part of it, and take none at a lower level."""
    ppo, counts = ppo_of(policy, minibatches=minibatches), {}
    for level in (TelemetryLevel.OFF, TelemetryLevel.MINIMAL, NORMAL):
        for rewards in (None, rollout.rewards):
            with Operations() as operations:
                ppo.update(rollout, level, rewards)
            counts[level, rewards is None] = operations.count
    off, _, minimal, also_minimal, unchecked, normal = counts.values()

    assert minimal == also_minimal
    assert off < minimal < unchecked < normal <= 1.1 * off


def test_one_environment_has_no_halves_to_compare(policy, rollout):
    """Its noise is not measured; no pass is made over an empty half, which cuDNN refuses."""
    evaluated = []
    policy.register_forward_pre_hook(lambda _, inputs: evaluated.append(inputs[0].shape[1]))
    observations, *others = rollout
    alone = type(rollout)(observations[:, :1], *(column[..., :1] for column in others))
    payload = debug_payload(policy, alone)

    assert payload.gradient_noise_scale is None
    assert payload.policy_churn is not None
    assert set(evaluated) == {1}
