"""The environment's own randomness."""

import pytest
import torch

from esper_trainer.environments.morph.random_source import RandomSource

CPU = torch.device("cpu")


def test_draws_follow_from_the_seed():
    """Equal seeds give equal draws, and other seeds other draws."""
    first, again, other = (RandomSource(seed, CPU).uniform(100) for seed in (1, 1, 2))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_global_generator_is_not_involved():
    """A random source neither reads nor advances torch's global state."""
    torch.manual_seed(5)
    state = torch.get_rng_state()
    random_source = RandomSource(3, CPU)
    random_source.uniform(10)
    random_source.coarse_uniform(10)
    random_source.normal(10)
    random_source.integers(0, 5, 10)

    assert torch.equal(torch.get_rng_state(), state)


def test_ranges():
    """Uniform numbers lie in [0, 1), integers between their limits, normal ones around 0."""
    random_source = RandomSource(0, CPU)
    uniform, integers, normal = (
        random_source.uniform(999),
        random_source.integers(1, 5, 999),
        random_source.normal(999),
    )

    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert integers.unique().tolist() == [1, 2, 3, 4]
    assert abs(normal.mean()) < 0.2


def test_coarse_numbers_fill_their_range():
    """They are spread evenly over a grid in [-1, 1), for any count."""
    coarse_uniform = RandomSource(0, CPU).coarse_uniform(3, 3331)

    assert coarse_uniform.shape == (3, 3331)
    assert coarse_uniform.min() >= -1
    assert coarse_uniform.max() < 1
    assert (coarse_uniform * 32768 == (coarse_uniform * 32768).round()).all()
    assert abs(coarse_uniform.mean()) < 0.02
    assert coarse_uniform.std() == pytest.approx(3**-0.5, rel=0.02)
    assert torch.corrcoef(coarse_uniform).triu(1).abs().max() < 0.05
