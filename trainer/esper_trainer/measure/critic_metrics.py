"""Metrics of returns, advantages, values and TD errors of a rollout, before the update."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.metrics import RETURN_VARIANCE_FLOOR
from esper_trainer.measure.packed_metrics import MeasuredValue
from esper_trainer.ppo.batch import Targets

MIN_VARIANCE = 1e-8
"""Below this variance values count as constant: they have no shape and no variance to explain."""

QUANTILES = {"return_p10": 0.1, "return_p50": 0.5, "return_p90": 0.9}


class RolloutStatistics(NamedTuple):
    """Statistics of advantages, returns, values and TD errors over the valid steps.

    columns [4, N]; centred [4, N], 0 where a step is not valid; alive [N]; steps 0-d, the number of valid
    steps;
    mean, variance [4], of the population.
    """

    columns: Tensor
    centred: Tensor
    alive: Tensor
    steps: Tensor
    mean: Tensor
    variance: Tensor

    def moment(self, row: int, power: int) -> MeasuredValue:
        """A standardised moment of one row, 0-d; not measured if the row is constant."""
        varies = (self.variance[row] < MIN_VARIANCE).logical_not()
        moment = self.centred[row].pow(power).sum() / self.steps.clamp_min(1.0)
        return MeasuredValue(moment / self.variance[row].clamp_min(MIN_VARIANCE).pow(power / 2), varies)


ADVANTAGES, RETURNS, VALUES, TD_ERRORS = range(4)


def rollout_statistics(targets: Targets) -> RolloutStatistics:
    """Compute the statistics of all four columns at once."""
    alive = targets.alive.flatten()
    columns = torch.stack((targets.advantages, targets.returns, targets.values, targets.td_errors)).flatten(1)
    count = alive.sum()
    total = count.clamp_min(1.0)
    mean = (columns * alive).sum(1) / total
    centred = (columns - mean[:, None]) * alive
    return RolloutStatistics(columns, centred, alive, count, mean, centred.square().sum(1) / total)


def explained_variance(rollout: RolloutStatistics) -> MeasuredValue:
    """1 - Var(return - value) / Var(return), 0-d; the advantage is return - value."""
    variance = rollout.variance[RETURNS]
    explained = 1.0 - rollout.variance[ADVANTAGES] / variance.clamp_min(MIN_VARIANCE)
    return MeasuredValue(explained, (variance < MIN_VARIANCE).logical_not())


def critic_details(rollout: RolloutStatistics) -> dict[str, MeasuredValue]:
    """The other metrics of the rollout at telemetry level NORMAL."""
    measured, std, steps = rollout.steps > 0, rollout.variance.sqrt(), rollout.steps.clamp_min(1.0)
    values = {
        "advantage_mean": rollout.mean[ADVANTAGES],
        "advantage_std": std[ADVANTAGES],
        "return_mean": rollout.mean[RETURNS],
        "return_std": std[RETURNS],
        "value_mean": rollout.mean[VALUES],
        "value_std": std[VALUES],
        "td_error_mean": rollout.mean[TD_ERRORS],
        "td_error_std": std[TD_ERRORS],
        "bellman_error": (rollout.columns[TD_ERRORS].abs() * rollout.alive).sum() / steps,
        "advantage_positive_share": ((rollout.columns[ADVANTAGES] > 0) * rollout.alive).sum() / steps,
        **_floored(rollout),
        **_extremes(rollout),
        **_quantiles(rollout),
    }
    kurtosis, varies = rollout.moment(ADVANTAGES, 4)
    return {
        **{name: MeasuredValue(value, measured) for name, value in values.items()},
        "advantage_skewness": rollout.moment(ADVANTAGES, 3),
        "advantage_kurtosis": MeasuredValue(kurtosis - 3.0, varies),
        "return_skewness": rollout.moment(RETURNS, 3),
        "value_return_correlation": _correlation(rollout),
        "value_nrmse": _normalised_error(rollout),
    }


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
    product = (rollout.centred[VALUES] * rollout.centred[RETURNS]).sum() / rollout.steps.clamp_min(1.0)
    variances = torch.stack((rollout.variance[VALUES], rollout.variance[RETURNS]))
    constant = (variances < MIN_VARIANCE).any()
    scale = variances.clamp_min(MIN_VARIANCE).sqrt().prod()
    return MeasuredValue((product / scale).clamp(-1.0, 1.0), constant.logical_not())


def _extremes(rollout: RolloutStatistics) -> dict[str, Tensor]:
    dead = rollout.alive == 0
    largest = rollout.columns.masked_fill(dead, -torch.inf).amax(1)
    smallest = rollout.columns.masked_fill(dead, torch.inf).amin(1)
    return {
        "advantage_min": smallest[ADVANTAGES],
        "advantage_max": largest[ADVANTAGES],
        "value_min": smallest[VALUES],
        "value_max": largest[VALUES],
    }


def _quantiles(rollout: RolloutStatistics) -> dict[str, Tensor]:
    """Quantiles of the returns, interpolated linearly; NaN if any return is NaN."""
    ordered = rollout.columns[RETURNS].masked_fill(rollout.alive == 0, torch.inf).sort().values
    last = (rollout.steps - 1.0).clamp_min(0.0)
    place = torch.stack([share * last for share in QUANTILES.values()])
    below, above = (ordered.index_select(0, index.long()) for index in (place.floor(), place.ceil()))
    between = torch.where(above == below, below, below + (above - below) * place.frac())
    quantiles = torch.where(rollout.mean[RETURNS].isnan(), torch.nan, between)
    return dict(zip(QUANTILES, quantiles, strict=True))
