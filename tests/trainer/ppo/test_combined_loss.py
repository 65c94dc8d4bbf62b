"""The combined loss and its gradients, compared with autograd through the same losses in float64."""

import pytest
import torch

from esper_trainer.ppo.batch import RolloutBatch, count_steps
from esper_trainer.ppo.combined_loss import LossCoefficients, combined_loss
from esper_trainer.ppo.losses import (
    clipped_surrogate,
    entropy_bonus,
    log_ratio,
    policy_loss,
    squared_error,
    value_loss,
)

STEPS = 400
MULTIPLIERS = torch.tensor([1.0, 1.3, 1.2])


def coefficients(value_clip):
    """Coefficients that are all different from 1."""
    return LossCoefficients(0.2, value_clip, torch.tensor(0.7), torch.tensor(0.05), MULTIPLIERS)


@pytest.fixture
def generator():
    """A generator with the same seed in every test."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def batch(generator):
    """Three heads, the last of them never relevant; every case of clipping occurs."""
    nothing = torch.zeros(0)
    chance = torch.rand(3, STEPS, generator=generator)
    relevance = (chance > torch.tensor([[0.2], [0.7], [1.0]])).float()
    return RolloutBatch(
        *(nothing,) * 3,
        old_log_probs=torch.randn(3, STEPS, generator=generator),
        relevance=relevance,
        availability=(chance > 0.1).float(),
        learnable=nothing,
        learnable_scale=nothing,
        advantages=torch.randn(STEPS, generator=generator),
        returns=3 * torch.randn(STEPS, generator=generator),
        old_values=torch.randn(STEPS, generator=generator),
        alive=(torch.rand(STEPS, generator=generator) > 0.1).float(),
    )


@pytest.fixture
def inputs(batch, generator):
    """Log-probabilities near, far and very far from the old ones; entropies; values near and far."""
    moved = 0.3 * torch.randn(3, STEPS, generator=generator)
    moved[:, ::7] *= 200.0
    values = batch.old_values + 1.5 * torch.randn(STEPS, generator=generator)
    return batch.old_log_probs + moved, torch.rand(3, STEPS, generator=generator), values


def recorded(log_probs, entropies, values, batch, step_counts, coefficients):
    """The same loss for autograd."""
    ratios = log_ratio(log_probs, batch.old_log_probs).exp()
    surrogate = clipped_surrogate(ratios, batch.advantages, coefficients.clip_range)
    squared_errors = squared_error(values, batch.old_values, batch.returns, coefficients.value_clip)
    bonus = entropy_bonus(entropies, batch.availability, coefficients.multipliers, step_counts.availability)
    return (
        policy_loss(surrogate, batch.relevance, step_counts.relevance)
        + coefficients.value_weight * value_loss(squared_errors, batch.alive, step_counts.alive)
        - coefficients.entropy_weight * bonus
    )


def double(values):
    """The same numbers in float64."""
    return type(values)(*(v.double() if isinstance(v, torch.Tensor) else v for v in values))


@pytest.mark.parametrize("value_clip", [0.0, 1.0, 100.0])
def test_loss_and_gradients_are_those_of_autograd(batch, inputs, value_clip):
    """Ratios are clipped or clamped on both sides, with gains and losses; some steps do not count."""
    inputs = [part.double().requires_grad_() for part in inputs]
    arguments = (double(batch), double(count_steps(batch)), double(coefficients(value_clip)))

    expected = recorded(*inputs, *arguments)
    found = combined_loss(*inputs, *arguments)

    torch.testing.assert_close(found.loss, expected)
    gradients = torch.autograd.grad(3.0 * found.loss, inputs)
    for one, other in zip(gradients, torch.autograd.grad(3.0 * expected, inputs), strict=True):
        torch.testing.assert_close(one, other)


def test_every_case_of_clipping_occurs_in_the_batch(batch, inputs):
    """Otherwise the test above would show less than it claims."""
    ratios = log_ratio(inputs[0], batch.old_log_probs).exp()[:2]
    gains, outside = batch.advantages > 0, (inputs[2] - batch.old_values).abs() > 1.0

    for moved in (ratios > 1.2, ratios < 0.8, ratios > 1e8, ratios < 1e-8, (ratios - 1).abs() < 0.2):
        assert (moved & gains & (batch.relevance[:2] > 0)).any()
        assert (moved & ~gains & (batch.relevance[:2] > 0)).any()
    assert outside.any()
    assert not outside.all()


def test_losses_are_divided_by_the_counts_of_all_processes(batch, inputs):
    """Twice the counts give half the loss and half the gradients."""
    own = count_steps(batch)
    both = type(own)(*(2 * count for count in own))
    halves = []
    for step_counts in (own, both):
        log_probs = inputs[0].clone().requires_grad_()
        loss = combined_loss(log_probs, *inputs[1:], batch, step_counts, coefficients(1.0)).loss
        halves.append((loss.detach(), *torch.autograd.grad(loss, log_probs)))

    for whole, half in zip(*halves, strict=True):
        torch.testing.assert_close(whole, 2 * half)


def test_a_number_that_is_not_finite_reaches_the_gradient(batch, inputs):
    """The optimiser checks the gradient."""
    batch = batch._replace(advantages=torch.full((STEPS,), torch.nan))
    log_probs = inputs[0].clone().requires_grad_()

    loss = combined_loss(log_probs, *inputs[1:], batch, count_steps(batch), coefficients(1.0)).loss

    assert loss.isnan()
    assert torch.autograd.grad(loss, log_probs)[0].isnan().any()
