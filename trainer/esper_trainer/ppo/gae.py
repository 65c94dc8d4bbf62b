"""Generalised advantage estimation (Schulman et al. 2016) as a parallel scan instead of a loop."""

import torch
from torch import Tensor


def td_errors(rewards: Tensor, values: Tensor, alive: Tensor, gamma: float) -> Tensor:
    """One-step TD errors of episodes that terminate at the last step; all tensors [T, N].

        delta_t = r_t + gamma * V_{t+1} - V_t

    alive: 1 where a step is valid. The bootstrap value is 0 after the last step and after the last valid one.
    """
    next_values = torch.cat((values[1:], torch.zeros_like(values[:1]))) * _next_alive(alive)
    return (rewards + gamma * next_values - values) * alive


def advantages(deltas: Tensor, alive: Tensor, gamma: float, gae_lambda: float) -> Tensor:
    """Advantages [T, N] from the one-step errors.

    A_t = delta_t + gamma * lambda * A_{t+1}
    """
    return _reverse_scan(deltas, gamma * gae_lambda * _next_alive(alive))


def _next_alive(alive: Tensor) -> Tensor:
    return torch.cat((alive[1:], torch.zeros_like(alive[:1])))


def _reverse_scan(terms: Tensor, factors: Tensor) -> Tensor:
    """Solve x_t = terms_t + factors_t * x_{t+1} by doubling: log2(T) steps instead of T.

    After k rounds a row holds the sum of 2^k terms, and the factor of the following ones.
    """
    reach = 1
    while reach < terms.shape[0]:
        later_terms, later_factors = terms[reach:], factors[reach:]
        terms = torch.cat((terms[:-reach] + factors[:-reach] * later_terms, terms[-reach:]))
        factors = torch.cat((factors[:-reach] * later_factors, torch.zeros_like(factors[-reach:])))
        reach *= 2
    return terms
