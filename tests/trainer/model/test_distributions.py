"""Eight masked distributions at once, against torch.distributions in float64."""

import math

import pytest
import torch
from torch.distributions import Categorical

from esper_schemas.heads import HEAD_SIZES, HEADS, Op
from esper_trainer.environments.morph.action_masks import static_choices
from esper_trainer.model import distributions
from esper_trainer.model.action_layout import LOGIT_COUNT, OP, SLOT, action_layout

CPU = torch.device("cpu")
CONSTANTS = action_layout(CPU)
CHOICES = static_choices(CPU)
N = 500


@pytest.fixture
def generator():
    """A generator with the same seed in every test."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def case(generator):
    """Random logits, masks that leave every head a choice, and legal actions."""
    mask = CHOICES[:, :, None] & (torch.rand(8, 13, N, generator=generator) > 0.4)
    mask[:, 1] = True
    logits = 3 * torch.randn(LOGIT_COUNT, N, generator=generator)
    keys = torch.rand(8, 13, N, generator=generator)
    actions = torch.where(mask, keys, -1.0).argmax(1)
    return logits, mask, actions


def reference(logits, mask, actions):
    """Log-probabilities and entropies of one Categorical per head, in float64."""
    results = []
    rows = logits.double().split(list(HEAD_SIZES.values()))
    for head, (scores, choice) in enumerate(zip(rows, actions, strict=True)):
        legal = mask[head, : len(scores)]
        chances = Categorical(logits=scores.masked_fill(~legal, -1e9).T)
        results.append((chances.log_prob(choice), chances.entropy()))
    log_probs, entropies = zip(*results, strict=True)
    return torch.stack(log_probs), torch.stack(entropies)


def evaluate(logits, mask, actions):
    """What the trainer computes."""
    return distributions.evaluate(logits, distributions.mask_penalties(mask, CONSTANTS), actions, CONSTANTS)


def test_log_probabilities_and_entropies_are_those_of_torch(case):
    """They agree to float32 precision."""
    results, expected = evaluate(*case), reference(*case)

    for result, wanted in zip(results, expected, strict=True):
        torch.testing.assert_close(result.double(), wanted, rtol=1e-5, atol=1e-5)


def test_analytic_gradients_are_those_of_autograd(case, generator):
    """They are gradients of a random mix of log-probabilities and entropies."""
    logits, mask, actions = case
    weights = torch.randn(2, 8, N, generator=generator)
    gradients = []
    for function, scores in ((evaluate, logits.clone()), (reference, logits.double())):
        log_probs, entropies = function(scores.requires_grad_(), mask, actions)
        (weights[0] * log_probs + weights[1] * entropies).sum().backward()
        gradients.append(scores.grad.double())

    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_a_uniform_head_has_the_entropy_of_its_legal_choices():
    """ln 2 for two legal ops of six; 0 where there is no choice."""
    mask = CHOICES[:, :, None].clone()
    mask[OP, 2:] = False
    mask[SLOT, 1:] = False
    actions = torch.zeros(8, 1, dtype=torch.int64)
    actions[HEADS.index("blueprint")] = 1

    _, entropies = evaluate(torch.zeros(LOGIT_COUNT, 1), mask, actions)

    assert entropies[OP].item() == pytest.approx(math.log(2))
    assert entropies[SLOT].item() == pytest.approx(0.0, abs=1e-6)
    assert entropies[HEADS.index("blueprint")].item() == pytest.approx(math.log(12))


def test_extreme_logits_do_not_let_illegal_choices_in():
    """Two legal logits are 400 below an illegal one, and still share all of the probability."""
    logits = torch.zeros(LOGIT_COUNT, 1)
    logits[:3, 0] = torch.tensor([-200.0, -201.0, 200.0])
    mask = CHOICES[:, :, None].clone()
    mask[OP, 2:] = False
    actions = torch.ones(8, 1, dtype=torch.int64)

    log_probs, _ = evaluate(logits, mask, actions)

    # ln(e^-1 / (1 + e^-1)) = -1 - ln(1 + e^-1)
    assert log_probs[OP].item() == pytest.approx(-1 - math.log(1 + math.exp(-1)))


class TestSample:
    """Sampling with noise."""

    def draw(self, generator, logits, ops, slots):
        """Sample from the trainer's function."""
        return distributions.sample(logits, ops, slots, CHOICES, CONSTANTS, generator)

    def test_no_choice_is_ever_illegal(self, generator):
        """Masks and logits of 100,000 draws are random; a third of the logits are very large."""
        count = 12_500
        logits = 5 * torch.randn(LOGIT_COUNT, count, generator=generator)
        logits[:, ::3] *= 1000
        ops = torch.rand(6, count, generator=generator) > 0.5
        ops[Op.WAIT] = True
        slots = torch.rand(6, 3, count, generator=generator) > 0.5
        slots |= ~slots.any(1, keepdim=True)

        choice = self.draw(generator, logits, ops, slots)
        op, column = choice.actions[OP], torch.arange(count)

        assert ops[op, column].all()
        assert slots[op, choice.actions[SLOT], column].all()
        assert CHOICES[torch.arange(8)[:, None], choice.actions].all()
        assert torch.equal(choice.slots, slots[op, :, column].T)

    def test_frequencies_are_the_probabilities(self, generator):
        """There are 40,000 draws; the standard deviation of a share is at most 0.0025."""
        logits = torch.randn(LOGIT_COUNT, 1, generator=generator)
        ops = torch.tensor([True, True, False, True, True, True])[:, None]
        everything = torch.ones(6, 3, 40_000, dtype=torch.bool)

        choice = self.draw(generator, logits.expand(-1, 40_000), ops.expand(-1, 40_000), everything)

        shares = torch.bincount(choice.actions[OP], minlength=6) / 40_000
        expected = logits[:6, 0].masked_fill(~ops[:, 0], -torch.inf).softmax(0)
        torch.testing.assert_close(shares, expected, rtol=0, atol=0.0125)

    def test_its_log_probabilities_are_those_that_an_update_computes(self, generator):
        """Otherwise ratios would not begin with 1."""
        logits = torch.randn(LOGIT_COUNT, N, generator=generator)
        ops = torch.rand(6, N, generator=generator) > 0.5
        ops[Op.WAIT] = True
        slots = torch.rand(6, 3, N, generator=generator) > 0.5
        slots |= ~slots.any(1, keepdim=True)

        choice = self.draw(generator, logits, ops, slots)
        mask = distributions.choice_mask(CHOICES, ops, choice.slots)
        log_probs, _ = evaluate(logits, mask, choice.actions)

        torch.testing.assert_close(choice.log_probs, log_probs)
