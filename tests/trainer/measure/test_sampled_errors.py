"""Quantiles of advantages and value errors."""

import math

import pytest
import torch

from esper_trainer.measure.sampled_errors import SHARES, STEPS, sample_quantiles, step_sample
from esper_trainer.ppo.batch import Targets


def quantiles_of(advantages, alive=None):
    """The quantiles by name, None if not measured."""
    column = torch.tensor(advantages)[:, None]
    valid = torch.ones_like(column) if alive is None else torch.tensor(alive)[:, None]
    found = sample_quantiles(step_sample(Targets(column, column, column * 0, valid, column)))
    return {name: value.item() if measured else None for name, (value, measured) in found.items()}


def test_quantiles_are_interpolated_linearly():
    """They agree with torch's own, of the advantages and of their magnitudes."""
    advantages = [-3.0, 1.0, 4.0, -1.0, 5.0, -9.0, 2.0, 6.0]
    found = quantiles_of([*advantages, 100.0], [*[1.0] * 8, 0.0])

    for name, share in SHARES.items():
        column = torch.tensor(advantages)
        assert found[f"advantage_{name}"] == pytest.approx(column.quantile(share).item())
        assert found[f"value_error_{name}"] == pytest.approx(column.abs().quantile(share).item())


def test_a_large_rollout_is_sampled():
    """Every fourth of the numbers 0, 1, 2, …: the median is that of the numbers themselves."""
    found = quantiles_of([float(number) for number in range(4 * STEPS)])

    assert found["advantage_p50"] == pytest.approx(2 * STEPS, abs=4.0)
    assert found["advantage_p99"] == pytest.approx(0.99 * 4 * STEPS, abs=8.0)


def test_a_nan_is_not_hidden_by_sorting():
    """All quantiles are NaN, unless its step does not count."""
    assert math.isnan(quantiles_of([1.0, math.nan, 2.0])["value_error_p10"])
    assert quantiles_of([1.0, math.nan, 2.0], [1.0, 0.0, 1.0])["value_error_p10"] == pytest.approx(1.1)


def test_a_rollout_without_steps_has_no_quantiles():
    """Every environment is suspended."""
    assert set(quantiles_of([1.0, 2.0], [0.0, 0.0]).values()) == {None}
