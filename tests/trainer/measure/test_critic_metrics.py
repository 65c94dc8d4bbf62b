"""Metrics of returns, advantages and the critic, calculated by hand."""

import math

import pytest
import torch

from esper_trainer.measure.critic_metrics import critic_details, explained_variance, rollout_statistics
from esper_trainer.ppo.batch import Targets

RETURNS = [0.0, 0.0, 0.0, 4.0]
ADVANTAGES = [-1.0, -1.0, 3.0, -1.0]
TD_ERRORS = [1.0, -1.0, 2.0, -4.0]


def targets_of(returns=RETURNS, advantages=ADVANTAGES, alive=(1.0, 1.0, 1.0, 1.0)):
    """One environment of these steps, values = returns - advantages."""
    columns = torch.tensor([returns, advantages]).unsqueeze(-1)
    squared_errors = torch.tensor([TD_ERRORS + [0.0] * (len(returns) - 4)]).t()
    return Targets(
        columns[1], columns[0], columns[0] - columns[1], torch.tensor([list(alive)]).t(), squared_errors
    )


def details_of(*arguments, **settings):
    """The value of each metric, or None if it was not measured."""
    targets = targets_of(*arguments, **settings)
    rollout = rollout_statistics(targets, torch.zeros_like(targets.alive))
    measured = critic_details(rollout, rollout.details)
    return {name: value.item() if known else None for name, (value, known) in measured.items()}


def test_h1_advantages():
    """Mean 0; squares 1, 1, 9, 1: variance 3. Third moment 24 / 4 = 6 over 3^1.5; fourth 84 / 4 = 21."""
    details = details_of()

    assert details["advantage_mean"] == 0.0
    assert details["advantage_std"] == pytest.approx(math.sqrt(3))
    assert details["advantage_skewness"] == pytest.approx(6 / 3**1.5)
    assert details["advantage_kurtosis"] == pytest.approx(21 / 9 - 3)
    assert (details["advantage_min"], details["advantage_max"]) == (-1.0, 3.0)
    assert details["advantage_positive_share"] == 0.25


def test_h1_returns():
    """Mean 1, deviations -1, -1, -1, 3. Order 0, 0, 0, 4: p90 lies 0.7 of the way from third to fourth."""
    details = details_of()

    assert details["return_mean"] == 1.0
    assert details["return_std"] == pytest.approx(math.sqrt(3))
    assert details["return_skewness"] == pytest.approx(6 / 3**1.5)
    assert (details["return_p10"], details["return_p50"]) == (0.0, 0.0)
    assert details["return_p90"] == pytest.approx(2.8)


def test_quantiles_are_those_of_torch():
    """Only steps that count are included, and quantiles are interpolated linearly."""
    returns = torch.randn(40, generator=torch.Generator().manual_seed(0))
    alive = torch.ones(40)
    alive[7:19] = 0.0

    details = details_of(returns.tolist(), [0.5] * 40, alive.tolist())

    for name, share in (("return_p10", 0.1), ("return_p50", 0.5), ("return_p90", 0.9)):
        assert details[name] == pytest.approx(returns[alive > 0].quantile(share).item())


def test_td_errors():
    """1, -1, 2, -4: mean -0.5, mean magnitude 2, mean square 5.5."""
    details = details_of()

    assert details["td_error_mean"] == pytest.approx(-0.5)
    assert details["td_error_std"] == pytest.approx(math.sqrt(5.5 - 0.25))
    assert details["bellman_error"] == pytest.approx(2.0)


def test_the_critic():
    """Values 1, 1, -3, 5: mean 1, variance 8; with the returns (0 + 0 + 4 + 12) / 4 / sqrt(8 * 3)."""
    details = details_of()

    assert (details["value_min"], details["value_max"]) == (-3.0, 5.0)
    assert details["value_mean"] == pytest.approx(1.0)
    assert details["value_std"] == pytest.approx(math.sqrt(8))
    assert details["value_return_correlation"] == pytest.approx(4 / math.sqrt(24))
    assert details["explained_variance_floored"] == pytest.approx(1 - 3 / 3)
    assert details["return_variance_low"] == 0.0


def test_the_normalised_error_is_one_for_a_constant_critic():
    """Returns 0, 4, 0, 4 have the standard deviation 2; the error of their mean is 2, of 0 the root of 8."""
    returns = [0.0, 4.0, 0.0, 4.0]

    assert details_of(returns, [-2.0, 2.0, -2.0, 2.0])["value_nrmse"] == pytest.approx(1.0)
    assert details_of(returns, returns)["value_nrmse"] == pytest.approx(math.sqrt(8) / 2)
    assert details_of(returns, [0.0, 1.0, 0.0, 1.0])["value_nrmse"] == pytest.approx(math.sqrt(0.5) / 2)


def test_the_normalised_error_is_at_least_one_where_the_explained_variance_is_negative():
    """The errors vary a little more than the returns, whose standard deviation is 0.25."""
    returns, advantages = [0.0, 0.5, 0.0, 0.5], [0.52, 0.0, 0.52, 0.0]
    explained = explained_variance(rollout_statistics(targets_of(returns, advantages))).value.item()

    assert explained == pytest.approx(1 - 0.26**2 / 0.25**2)
    assert details_of(returns, advantages)["value_nrmse"] >= math.sqrt(1 - explained)


def test_the_normalised_error_is_not_measured_where_returns_hardly_vary():
    """Their variance is 0.0025."""
    assert details_of([0.0, 0.1, 0.0, 0.1], [0.3] * 4)["value_nrmse"] is None


def test_returns_that_hardly_vary_are_flagged_and_floored():
    """Variance 0.0025, error variance 0.0025 too: 1 - 0.0025 / 0.01 = 0.75, where plain EV is 0."""
    targets = targets_of([0.0, 0.1, 0.0, 0.1], [0.0, 0.1, 0.0, 0.1])
    details = details_of([0.0, 0.1, 0.0, 0.1], [0.0, 0.1, 0.0, 0.1])

    assert details["return_variance_low"] == 1.0
    assert details["explained_variance_floored"] == pytest.approx(0.75)
    assert explained_variance(rollout_statistics(targets)).value.item() == pytest.approx(0.0, abs=1e-5)


def test_the_covariance_with_log_probabilities_is_in_deviations_of_the_advantages():
    """Log-probabilities -1, -3 and advantages 2, -2, whose deviation is 2: 1 * 1; the others are dead."""
    targets = targets_of([0.0] * 4, [2.0, -2.0, 70.0, 0.0], (1.0, 1.0, 0.0, 0.0))
    rollout = rollout_statistics(targets, torch.tensor([[-1.0, -3.0, -50.0, 0.0]]).t())
    value, measured = critic_details(rollout, rollout.details)["log_prob_advantage_covariance"]

    assert measured
    assert value.item() == pytest.approx(1.0)


def test_constants_have_no_higher_moments():
    """Skewness and correlation are not measured; quantiles are."""
    details = details_of([2.0] * 4, [0.0] * 4)

    for name in ("advantage_skewness", "advantage_kurtosis", "return_skewness", "value_return_correlation"):
        assert details[name] is None
    assert details["return_p50"] == 2.0
    assert details["advantage_positive_share"] == 0.0


def test_steps_that_do_not_count_are_ignored():
    """Their values do not matter."""
    returns, advantages = [*RETURNS, 900.0], [*ADVANTAGES, -900.0]

    assert details_of(returns, advantages, (1.0, 1.0, 1.0, 1.0, 0.0)) == pytest.approx(details_of())


def test_a_rollout_without_steps_measures_nothing():
    """Every environment is dead."""
    assert set(details_of(alive=(0.0, 0.0, 0.0, 0.0)).values()) == {None}


@pytest.mark.parametrize("name", ["return_p10", "return_p50", "return_p90", "return_mean", "return_skewness"])
def test_metrics_of_a_nan_return_are_nan(name):
    """Sorting does not hide it."""
    assert math.isnan(details_of([0.0, math.nan, 0.0, 4.0])[name])


@pytest.mark.parametrize("name", ["advantage_min", "advantage_max", "advantage_kurtosis"])
def test_metrics_of_a_nan_advantage_are_nan(name):
    """A minimum or maximum does not hide it."""
    assert math.isnan(details_of(RETURNS, [0.0, math.nan, 0.0, 4.0])[name])


def test_an_infinite_return_is_the_largest():
    """The quantiles below it stay finite."""
    details = details_of([0.0, math.inf, 0.0, 4.0])

    assert details["return_p50"] == 2.0
    assert details["return_p90"] == math.inf
