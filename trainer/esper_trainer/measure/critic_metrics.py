"""Metrics of returns, advantages, values and TD errors of a rollout, before the update.

`rollout_statistics` runs on the device, in few operations; the metrics follow from its result on the host.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.metrics import RETURN_VARIANCE_FLOOR
from esper_trainer.measure.packed_metrics import MeasuredValue
from esper_trainer.measure.sampled_errors import StepSample, sample_quantiles, step_sample
from esper_trainer.ppo.batch import MIN_DEVIATION, Targets

MIN_VARIANCE = 1e-8
"""Below this variance values count as constant: they have no shape and no variance to explain."""

ADVANTAGES, RETURNS, VALUES, TD_ERRORS, LOG_PROBS = range(5)
"""The columns of a rollout; the last one at telemetry level NORMAL only."""


class RolloutDetails(NamedTuple):
    """What telemetry level NORMAL adds.

    smallest, largest [C]: of each column. td_error_sum 0-d: of the magnitudes of TD errors. positive 0-d: the
    share of positive advantages. sample: of the steps.
    """

    smallest: Tensor
    largest: Tensor
    td_error_sum: Tensor
    positive: Tensor
    sample: StepSample


class RolloutStatistics(NamedTuple):
    """Statistics of C columns over the valid steps.

    steps 0-d: the number of valid steps. mean [C]. products [2 C, 2 C]: the sums of products of the columns
    less their means, and of the squares of these; first the columns, then the squares.
    """

    steps: Tensor
    mean: Tensor
    products: Tensor
    details: RolloutDetails | None = None

    @property
    def variance(self) -> Tensor:
        """The variances of the population, [C]."""
        return self.products.diagonal()[: len(self.mean)] / self.steps.clamp_min(1.0)

    def covariance(self, one: int, other: int) -> Tensor:
        """The covariance of two columns, 0-d."""
        return self.products[one, other] / self.steps.clamp_min(1.0)

    def third_moment(self, row: int) -> MeasuredValue:
        """The skewness of one column, 0-d; not measured if the column is constant."""
        return self._standardised(row, self.products[row, len(self.mean) + row], 1.5)

    def fourth_moment(self, row: int) -> MeasuredValue:
        """The fourth standardised moment of one column, 0-d; not measured if the column is constant."""
        square = len(self.mean) + row
        return self._standardised(row, self.products[square, square], 2.0)

    def _standardised(self, row: int, moment: Tensor, power: float) -> MeasuredValue:
        variance = self.variance[row]
        varies = (variance < MIN_VARIANCE).logical_not()
        mean = moment / self.steps.clamp_min(1.0)
        return MeasuredValue(mean / variance.clamp_min(MIN_VARIANCE).pow(power), varies)


@torch.no_grad()
def rollout_statistics(targets: Targets, log_probs: Tensor | None = None) -> RolloutStatistics:
    """Compute the statistics of all columns at once, on the device.

    log_probs [N]: of the choices of all heads together; with them, the details are included.
    """
    alive = targets.alive.flatten()
    columns = [targets.advantages, targets.returns, targets.values, targets.td_errors]
    if log_probs is not None:
        columns.append(log_probs.view_as(targets.alive))
    rows = torch.stack(columns).flatten(1)
    steps = alive.sum()
    weights = alive / steps.clamp_min(1.0)
    mean = rows @ weights
    centred = (rows - mean[:, None]) * alive
    powers = torch.cat((centred, centred.square()))
    products = powers @ powers.t()
    details = None if log_probs is None else _details(targets, rows, alive, weights, mean)
    return RolloutStatistics(steps, mean, products, details)


def _details(targets: Targets, rows: Tensor, alive: Tensor, weights: Tensor, mean: Tensor) -> RolloutDetails:
    smallest, largest = torch.where(alive > 0, rows, mean[:, None]).aminmax(dim=1)
    return RolloutDetails(
        smallest,
        largest,
        td_error_sum=torch.linalg.vector_norm(targets.td_errors, 1),
        positive=(rows[ADVANTAGES] > 0).float() @ weights,
        sample=step_sample(targets),
    )


def explained_variance(rollout: RolloutStatistics) -> MeasuredValue:
    """1 - Var(return - value) / Var(return), 0-d; the advantage is return - value."""
    variance = rollout.variance[RETURNS]
    explained = 1.0 - rollout.variance[ADVANTAGES] / variance.clamp_min(MIN_VARIANCE)
    return MeasuredValue(explained, (variance < MIN_VARIANCE).logical_not())


def critic_details(rollout: RolloutStatistics, details: RolloutDetails) -> dict[str, MeasuredValue]:
    """The other metrics of the rollout at telemetry level NORMAL."""
    measured, std = rollout.steps > 0, rollout.variance.sqrt()
    values = {
        "advantage_mean": rollout.mean[ADVANTAGES],
        "advantage_std": std[ADVANTAGES],
        "return_mean": rollout.mean[RETURNS],
        "return_std": std[RETURNS],
        "value_mean": rollout.mean[VALUES],
        "value_std": std[VALUES],
        "td_error_mean": rollout.mean[TD_ERRORS],
        "td_error_std": std[TD_ERRORS],
        "bellman_error": details.td_error_sum / rollout.steps.clamp_min(1.0),
        "advantage_positive_share": details.positive,
        "advantage_min": details.smallest[ADVANTAGES],
        "advantage_max": details.largest[ADVANTAGES],
        "value_min": details.smallest[VALUES],
        "value_max": details.largest[VALUES],
        "log_prob_advantage_covariance": _log_prob_advantage_covariance(rollout),
        **_floored(rollout),
    }
    kurtosis, varies = rollout.fourth_moment(ADVANTAGES)
    return {
        **{name: MeasuredValue(value, measured) for name, value in values.items()},
        **sample_quantiles(details.sample),
        "advantage_skewness": rollout.third_moment(ADVANTAGES),
        "advantage_kurtosis": MeasuredValue(kurtosis - 3.0, varies),
        "return_skewness": rollout.third_moment(RETURNS),
        "value_return_correlation": _correlation(rollout),
        "value_nrmse": _normalised_error(rollout),
    }


def _log_prob_advantage_covariance(rollout: RolloutStatistics) -> Tensor:
    """The covariance of log-probability and normalised advantage, 0-d (Cui et al. 2025)."""
    std = rollout.variance[ADVANTAGES].sqrt()
    return rollout.covariance(ADVANTAGES, LOG_PROBS) / (std + MIN_DEVIATION)


def _normalised_error(rollout: RolloutStatistics) -> MeasuredValue:
    """Root mean square of return - value over the standard deviation of returns, 0-d."""
    variance = rollout.variance[RETURNS]
    square = rollout.variance[ADVANTAGES] + rollout.mean[ADVANTAGES].square()
    varies = (variance < RETURN_VARIANCE_FLOOR).logical_not()
    return MeasuredValue((square / variance.clamp_min(RETURN_VARIANCE_FLOOR)).sqrt(), varies)


def _floored(rollout: RolloutStatistics) -> dict[str, Tensor]:
    variance = rollout.variance[RETURNS]
    return {
        "explained_variance_floored": 1.0
        - rollout.variance[ADVANTAGES] / variance.clamp_min(RETURN_VARIANCE_FLOOR),
        "return_variance_low": (variance < RETURN_VARIANCE_FLOOR).float(),
    }


def _correlation(rollout: RolloutStatistics) -> MeasuredValue:
    """Pearson correlation of values and returns, 0-d."""
    variances = rollout.variance[[VALUES, RETURNS]]
    constant = (variances < MIN_VARIANCE).any()
    scale = variances.clamp_min(MIN_VARIANCE).sqrt().prod()
    correlation = rollout.covariance(VALUES, RETURNS) / scale
    return MeasuredValue(correlation.clamp(-1.0, 1.0), constant.logical_not())
