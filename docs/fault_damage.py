"""What the faults of trainings change: a policy and its gradients, rewards, transitions, or minibatches."""

import math
from collections.abc import Callable
from typing import Any

import torch

from esper_schemas.heads import HEAD_SIZES, HEADS
from esper_trainer.model.action_layout import VALUE_ROW
from esper_trainer.model.policy import PolicyOutput, Tamiyo
from esper_trainer.ppo.batch import RolloutBatch
from esper_trainer.ppo.rollout_buffer import Transitions


def rows_of(head: str) -> slice:
    """The rows of a head in the output layer."""
    first = sum(HEAD_SIZES[earlier] for earlier in HEADS[: HEADS.index(head)])
    return slice(first, first + HEAD_SIZES[head])


def freeze_rows(rows: slice) -> Callable[[Tamiyo], None]:
    """No gradient reaches these rows of the output layer."""

    def damage(policy: Tamiyo) -> None:
        def without(gradient: torch.Tensor) -> torch.Tensor:
            gradient = gradient.clone()
            gradient[rows] = 0.0
            return gradient

        policy.output.weight.register_hook(without)
        policy.output.bias.register_hook(without)

    return damage


def scale_logits(head: str, factor: float) -> Callable[[Tamiyo], None]:
    """Multiply the logits of a head, and with them the effect of every optimiser step on the head.

    The gradient is not multiplied, so that its norm stays normal.
    """

    def damage(policy: Tamiyo) -> None:
        def scaled(_: Any, __: Any, output: PolicyOutput) -> PolicyOutput:
            logits = output.logits.clone()
            logits[rows_of(head)] += ((factor - 1.0) * logits[rows_of(head)]).detach()
            return output._replace(logits=logits)

        policy.register_forward_hook(scaled)

    return damage


def prefer_the_first(logit: float) -> Callable[[Tamiyo], None]:
    """Add a number to the logit of the first choice of every head."""

    def damage(policy: Tamiyo) -> None:
        with torch.no_grad():
            policy.output.bias[[rows_of(head).start for head in HEADS]] += logit

    return damage


def scale_gradients(factor: float) -> Callable[[Tamiyo], None]:
    """Multiply every gradient of the policy by a factor, before the optimiser sees it."""

    def damage(policy: Tamiyo) -> None:
        for parameter in policy.parameters():
            parameter.register_hook(lambda gradient: gradient * factor)

    return damage


def nan_gradients(policy: Tamiyo) -> None:
    """Make the gradient of the LSTM NaN."""
    policy.lstm.weight_hh_l0.register_hook(lambda gradient: gradient * math.nan)


def constant_critic(policy: Tamiyo) -> None:
    """Set the critic's weights to 0 and let no gradient reach them."""
    freeze_rows(slice(VALUE_ROW, None))(policy)
    set_critic(policy, 0.0)


def huge_critic(policy: Tamiyo) -> None:
    """Make the loss of the critic overflow."""
    set_critic(policy, 1e38)


def set_critic(policy: Tamiyo, weight: float) -> None:
    """Give all weights of the critic one value."""
    with torch.no_grad():
        policy.output.weight[VALUE_ROW].fill_(weight)


def random_critic(policy: Tamiyo) -> None:
    """Give the critic large random weights and let no gradient reach them."""
    freeze_rows(slice(VALUE_ROW, None))(policy)
    with torch.no_grad():
        policy.output.weight[VALUE_ROW].normal_(std=50.0, generator=torch.Generator().manual_seed(0))


def sets_lstm(
    input_gate: float, forget_gate: float, cell: float, output_gate: float
) -> Callable[[Tamiyo], None]:
    """Damage that makes the LSTM ignore its input: fixed numbers before its gates, and no gradient."""

    def damage(policy: Tamiyo) -> None:
        numbers = torch.tensor([input_gate, forget_gate, cell, output_gate])
        with torch.no_grad():
            for parameter in policy.lstm.parameters():
                parameter.zero_()
                parameter.register_hook(torch.zeros_like)
            policy.lstm.bias_ih_l0.add_(numbers.repeat_interleave(policy.lstm.hidden_size))

    return damage


def acts_as_another(head: str, logit: float) -> Callable[[Tamiyo], None]:
    """Damage that adds to the logit of one choice in rollouts, but not in updates."""

    def damage(policy: Tamiyo) -> None:
        def shifted(_: Any, __: Any, output: PolicyOutput) -> PolicyOutput:
            if torch.is_grad_enabled():
                return output
            logits = output.logits.clone()
            logits[rows_of(head).start + 1] += logit
            return output._replace(logits=logits)

        policy.register_forward_hook(shifted)

    return damage


def nan_at(rewards: torch.Tensor) -> None:
    """Make one reward of the rollout NaN."""
    rewards[10, 0] = math.nan


def noise(deviation: float) -> Callable[[Transitions], object]:
    """Add noise to the old log-probabilities."""
    generator = torch.Generator().manual_seed(0)

    def stored(transitions: Transitions) -> None:
        log_probs = transitions.log_probs
        log_probs.add_(deviation * torch.randn(log_probs.shape, generator=generator))

    return stored


def forgetful(policy: Tamiyo) -> None:
    """Ignore the recurrent state where the policy acts, which is one step at a time."""

    def without_state(_: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        observations, *state = arguments
        return (observations,) if len(observations) == 1 else (observations, *state)

    policy.register_forward_pre_hook(without_state)


def late_rewards(transitions: Transitions) -> None:
    """Store every reward 8 steps late."""
    transitions.rewards.copy_(transitions.rewards.roll(8, 0))


def shuffled(batch: RolloutBatch) -> RolloutBatch:
    """Return a batch whose advantages belong to other steps."""
    order = torch.randperm(batch.advantages.numel(), generator=torch.Generator().manual_seed(0))
    return batch._replace(advantages=batch.advantages.flatten()[order].view_as(batch.advantages))


def reverse_the_loss(policy: Tamiyo) -> None:
    """Reverse the gradient that reaches the logits."""

    def reversed_(_: Any, __: Any, output: PolicyOutput) -> PolicyOutput:
        return output._replace(logits=2.0 * output.logits.detach() - output.logits)

    policy.register_forward_hook(reversed_)
