"""The environment's own randomness."""

import pytest
import torch

from esper_trainer.environments.morph.random_source import Draws

CPU = torch.device("cpu")


def test_draws_follow_from_the_seed():
    """Equal seeds give equal draws, other seeds other ones."""
    first, again, other = (Draws(seed, CPU).uniform(100) for seed in (1, 1, 2))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_global_generator_is_not_involved():
    """Draws neither read nor advance torch's global state."""
    torch.manual_seed(5)
    state = torch.get_rng_state()
    draws = Draws(3, CPU)
    draws.uniform(10)
    draws.coarse(10)
    draws.normal(10)
    draws.integers(0, 5, 10)

    assert torch.equal(torch.get_rng_state(), state)


def test_ranges():
    """Uniform numbers lie in [0, 1), integers between their limits, normal ones around 0."""
    draws = Draws(0, CPU)
    uniform, integers, normal = draws.uniform(999), draws.integers(1, 5, 999), draws.normal(999)

    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert integers.unique().tolist() == [1, 2, 3, 4]
    assert abs(normal.mean()) < 0.2


def test_coarse_numbers_fill_their_range():
    """They lie in [-1, 1) on a grid, evenly, and any count of them can be had."""
    coarse = Draws(0, CPU).coarse(3, 3331)

    assert coarse.shape == (3, 3331)
    assert coarse.min() >= -1
    assert coarse.max() < 1
    assert (coarse * 32768 == (coarse * 32768).round()).all()
    assert abs(coarse.mean()) < 0.02
    assert coarse.std() == pytest.approx(3**-0.5, rel=0.02)
    assert torch.corrcoef(coarse).triu(1).abs().max() < 0.05
