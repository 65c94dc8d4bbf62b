"""The gates of the LSTM are those that torch computes but does not return."""

import pytest
import torch

from esper_trainer.measure.lstm_metrics import GATES, lstm_statistics
from esper_trainer.model.policy import Tamiyo


@pytest.fixture
def policy():
    """A small policy whose gates are far from 1/2."""
    policy = Tamiyo(6, 8, seed=0)
    with torch.no_grad():
        policy.lstm.weight_ih_l0.mul_(4.0)
        policy.lstm.weight_hh_l0.mul_(4.0)
    return policy


def gates_of(policy, observations):
    """All gates [4, B, H] of the last step, and the states that follow from them, step by step."""
    features, lstm = policy.features(observations), policy.lstm
    hidden = cell = torch.zeros(observations.shape[1], 8)
    for fed in features:
        rows = (
            fed @ lstm.weight_ih_l0.t() + lstm.bias_ih_l0 + hidden @ lstm.weight_hh_l0.t() + lstm.bias_hh_l0
        )
        gates = torch.stack(rows.chunk(4, 1)).sigmoid()
        admit, forget, _, let_out = gates
        cell = forget * cell + admit * rows.chunk(4, 1)[2].tanh()
        hidden = let_out * cell.tanh()
    return gates, hidden, cell


@pytest.mark.parametrize("steps", [1, 2, 5])
@torch.no_grad()
def test_l3_gates_and_states_are_those_of_the_recurrence(policy, steps):
    """Gates below 0.05 or above 0.95 are saturated."""
    observations = torch.randn(steps, 3, 6, generator=torch.Generator().manual_seed(steps)) * 3
    gates, hidden, cell = gates_of(policy, observations)
    last_step = policy(observations).last_step

    measured = lstm_statistics(policy.lstm, last_step)

    saturated = ((gates < 0.05) | (gates > 0.95)).sum(1)
    assert measured.saturated.tolist() == saturated.tolist()
    assert 0 < saturated.sum() < gates.numel()
    assert measured.norms.tolist() == pytest.approx([hidden.norm().item(), cell.norm().item()], rel=1e-5)
    assert measured.cell.tolist() == pytest.approx(cell.sum(1).tolist(), rel=1e-4)
    largest = [hidden.abs().max().item(), cell.abs().max().item()]
    assert measured.largest.tolist() == pytest.approx(largest, rel=1e-5)


@pytest.mark.parametrize(("gate", "index"), list(zip(GATES, range(4), strict=True)))
@torch.no_grad()
def test_a_gate_that_is_forced_open_is_that_gate(policy, gate, index):
    """With a bias of 100 its 8 units in each of 2 environments are saturated, and no other gate is."""
    for parameter in policy.lstm.parameters():
        parameter.zero_()
    policy.lstm.bias_ih_l0.chunk(4)[index].fill_(100.0)

    measured = lstm_statistics(policy.lstm, policy(torch.ones(3, 2, 6)).last_step)

    assert dict(zip(GATES, measured.saturated.sum(1).tolist(), strict=True)) == {
        **dict.fromkeys(GATES, 0),
        gate: 16,
    }


@torch.no_grad()
def test_a_state_that_is_not_finite_is_reported(policy):
    """Both norms and extremes are NaN."""
    policy.lstm.bias_hh_l0.fill_(torch.nan)
    last_step = policy(torch.ones(3, 2, 6)).last_step

    measured = lstm_statistics(policy.lstm, last_step)

    assert measured.norms.isnan().all()
    assert measured.largest.isnan().all()
