"""The gradient of a step is measured and clipped, and the step is taken or skipped, all on the device."""

import copy

import pytest
import torch

from esper_schemas.heads import HEADS
from esper_trainer.model.action_layout import LOGIT_COUNT, action_layout
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.policy_optimiser import PolicyOptimiser

CPU = torch.device("cpu")
GO, STOP = torch.tensor(False), torch.tensor(True)


@pytest.fixture
def policy():
    """A small policy."""
    return Tamiyo(6, 8, seed=0)


def optimiser_of(policy, max_norm=0.5):
    """An optimiser of this policy."""
    return PolicyOptimiser(policy, action_layout(CPU), 1e-2, 1e-5, max_norm)


def loss_of(policy, scale=1.0):
    """A loss of logits and values."""
    observations = torch.linspace(-1, 1, 3 * 2 * 6).view(3, 2, 6)
    output = policy(observations)
    return scale * (output.logits.square().sum() + (output.values - 1).square().sum())


def same_bits(one, other):
    """Whether two policies have equal parameters."""
    return all(
        torch.equal(mine, yours) for mine, yours in zip(one.parameters(), other.parameters(), strict=True)
    )


def test_it_is_adam_with_clipping(policy):
    """Three steps end where torch's own clipping and Adam end."""
    twin = copy.deepcopy(policy)
    optimiser = optimiser_of(policy)
    adam = torch.optim.Adam(twin.parameters(), lr=1e-2, eps=1e-5, fused=True)
    for _ in range(3):
        optimiser.step(loss_of(policy), GO)
        adam.zero_grad()
        loss_of(twin).backward()
        torch.nn.utils.clip_grad_norm_(twin.parameters(), 0.5)
        adam.step()

    for one, other in zip(policy.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("scale", "stopped", "skipped"),
    [(1.0, STOP, 0.0), (float("nan"), GO, 1.0), (float("inf"), GO, 1.0), (1e38, GO, 1.0)],
    ids=["stopped", "NaN", "infinite", "overflow"],
)
def test_a_step_that_is_not_taken_changes_no_bit(policy, scale, stopped, skipped):
    """Parameters are bit-identical, and after the next step too, so that Adam's state is unchanged."""
    twin = copy.deepcopy(policy)
    optimiser, undisturbed = optimiser_of(policy), optimiser_of(twin)
    optimiser.step(loss_of(policy), GO)
    undisturbed.step(loss_of(twin), GO)

    statistics = optimiser.step(loss_of(policy, scale), stopped)

    assert statistics.skipped.item() == skipped
    assert same_bits(policy, twin)
    optimiser.step(loss_of(policy), GO)
    undisturbed.step(loss_of(twin), GO)
    assert same_bits(policy, twin)


def test_norms_are_those_before_and_after_clipping(policy):
    """The norm after clipping is the limit, or the norm before it if that is less."""
    whole = torch.autograd.grad(loss_of(policy), list(policy.parameters()))
    norm = torch.cat([part.flatten() for part in whole]).norm().item()

    clipped = optimiser_of(policy, 0.5).step(loss_of(policy), STOP)
    free = optimiser_of(policy, 1e6).step(loss_of(policy), STOP)

    assert clipped.norm_before.item() == pytest.approx(norm)
    assert clipped.norm_after.item() == pytest.approx(0.5, rel=1e-4)
    assert free.norm_after.item() == pytest.approx(norm)


def test_a_heads_norm_is_that_of_its_rows_and_biases_before_clipping(policy):
    """With a loss of one logit of the slot head, only the slot head has a norm."""
    optimiser = optimiser_of(policy)
    row = 7
    logit = policy(torch.ones(1, 1, 6)).logits[row].sum()

    statistics = optimiser.step(logit, STOP)

    # d logit / d weights is the LSTM's output y, d logit / d bias is 1
    y, _ = policy.lstm(policy.features(torch.ones(1, 1, 6)))
    expected = (y.detach().square().sum() + 1).sqrt().item()
    assert statistics.heads[HEADS.index("slot")].item() == pytest.approx(expected)
    assert statistics.heads.count_nonzero().item() == 1
    assert row < LOGIT_COUNT


def test_entries_that_are_not_finite_are_counted(policy):
    """A finite loss has none, a NaN loss has some."""
    entries = sum(parameter.numel() for parameter in policy.parameters())

    healthy = optimiser_of(policy).step(loss_of(policy), STOP)
    broken = optimiser_of(policy).step(loss_of(policy, float("nan")), STOP)

    assert (healthy.nan.item(), healthy.inf.item()) == (0, 0)
    assert 0 < broken.nan.item() <= entries
