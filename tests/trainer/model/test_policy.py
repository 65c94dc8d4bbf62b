"""Tamiyo has one trunk, eight heads and one value, and is the same for steps and for a sequence."""

import pytest
import torch

from esper_trainer.model.action_layout import LOGIT_COUNT
from esper_trainer.model.policy import Tamiyo

T, B, OBSERVATIONS, H = 7, 5, 116, 32


@pytest.fixture
def policy():
    """A small policy."""
    return Tamiyo(OBSERVATIONS, H, seed=3)


def test_it_gives_rows_of_logits_and_one_value_per_step(policy):
    """The shapes are [41, T * B], [T * B] and, for the state, [1, B, H]."""
    output = policy(torch.zeros(T, B, OBSERVATIONS))

    assert output.logits.shape == (LOGIT_COUNT, T * B)
    assert output.values.shape == (T * B,)
    assert [part.shape for part in output.state] == [(1, B, H)] * 2


def test_a_sequence_gives_what_its_steps_give_one_by_one(policy):
    """Columns are time-major, and the state is carried from step to step."""
    observations = torch.randn(T, B, OBSERVATIONS, generator=torch.Generator().manual_seed(0))
    state, steps = policy.initial_state(B), []
    for observation in observations:
        output = policy(observation.unsqueeze(0), state)
        state = output.state
        steps.append(torch.cat((output.logits, output.values[None])))

    whole = policy(observations)

    torch.testing.assert_close(
        torch.cat((whole.logits, whole.values[None])), torch.cat(steps, 1), rtol=1e-5, atol=1e-6
    )


def test_a_fresh_policy_is_nearly_uniform_and_remembers(policy):
    """Logits near 0; the forget gate's bias is 1, all other biases are 0."""
    observations = torch.randn(T, B, OBSERVATIONS, generator=torch.Generator().manual_seed(0))
    biases = {name: parameter for name, parameter in policy.named_parameters() if "bias" in name}
    forget = biases["lstm.bias_ih_l0"].chunk(4)[1]

    assert policy(observations).logits.abs().max() < 0.1
    assert (forget == 1).all()
    assert sum(bias.detach().abs().sum().item() for bias in biases.values()) == H


def test_the_seed_alone_decides_the_weights():
    """Equal seeds give equal policies, and other seeds other policies."""
    one, same, other = (
        torch.nn.utils.parameters_to_vector(Tamiyo(OBSERVATIONS, H, seed=seed).parameters())
        for seed in (1, 1, 2)
    )

    assert torch.equal(one, same)
    assert not torch.equal(one, other)
