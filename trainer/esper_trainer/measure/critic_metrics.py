"""What the rollout says about returns, advantages and the critic, before the update."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.metrics import RETURN_VARIANCE_FLOOR
from esper_trainer.measure.measurement import Measurement
from esper_trainer.ppo.batch import Targets

SMALLEST_VARIANCE = 1e-8
"""What varies less than this is constant: it has no shape, and leaves nothing to explain."""

QUANTILES = {"return_p10": 0.1, "return_p50": 0.5, "return_p90": 0.9}


class Shape(NamedTuple):
    """Advantages, returns, values and TD errors over the steps that count.

    columns, centred [4, N], centred 0 where a step does not count; alive [N]; steps, their number, 0-d;
    mean, variance [4], of the population.
    """

    columns: Tensor
    centred: Tensor
    alive: Tensor
    steps: Tensor
    mean: Tensor
    variance: Tensor

    def moment(self, row: int, power: int) -> Measurement:
        """A standardised moment of one row; not measured where it is constant."""
        varies = (self.variance[row] < SMALLEST_VARIANCE).logical_not()
        moment = self.centred[row].pow(power).sum() / self.steps.clamp_min(1.0)
        return Measurement(moment / self.variance[row].clamp_min(SMALLEST_VARIANCE).pow(power / 2), varies)


ADVANTAGES, RETURNS, VALUES, TD_ERRORS = range(4)


def shape(targets: Targets) -> Shape:
    """Reduce all columns at once."""
    alive = targets.alive.flatten()
    columns = torch.stack((targets.advantages, targets.returns, targets.values, targets.td_errors)).flatten(1)
    count = alive.sum()
    total = count.clamp_min(1.0)
    mean = (columns * alive).sum(1) / total
    centred = (columns - mean[:, None]) * alive
    return Shape(columns, centred, alive, count, mean, centred.square().sum(1) / total)


def explained_variance(of: Shape) -> Measurement:
    """1 - Var(return - value) / Var(return); the advantage is return - value."""
    variance = of.variance[RETURNS]
    explained = 1.0 - of.variance[ADVANTAGES] / variance.clamp_min(SMALLEST_VARIANCE)
    return Measurement(explained, (variance < SMALLEST_VARIANCE).logical_not())


def critic_details(of: Shape) -> dict[str, Measurement]:
    """Everything else that NORMAL telemetry tells of the rollout."""
    seen, std = of.steps > 0, of.variance.sqrt()
    values = {
        "advantage_mean": of.mean[ADVANTAGES],
        "advantage_std": std[ADVANTAGES],
        "return_mean": of.mean[RETURNS],
        "return_std": std[RETURNS],
        "value_mean": of.mean[VALUES],
        "value_std": std[VALUES],
        "td_error_mean": of.mean[TD_ERRORS],
        "td_error_std": std[TD_ERRORS],
        "bellman_error": (of.columns[TD_ERRORS].abs() * of.alive).sum() / of.steps.clamp_min(1.0),
        "advantage_positive_share": ((of.columns[ADVANTAGES] > 0) * of.alive).sum() / of.steps.clamp_min(1.0),
        **_floored(of, std),
        **_extremes(of),
        **_quantiles(of),
    }
    kurtosis, measured = of.moment(ADVANTAGES, 4)
    return {
        **{name: Measurement(value, seen) for name, value in values.items()},
        "advantage_skewness": of.moment(ADVANTAGES, 3),
        "advantage_kurtosis": Measurement(kurtosis - 3.0, measured),
        "return_skewness": of.moment(RETURNS, 3),
        "value_return_correlation": _correlation(of),
    }


def _floored(of: Shape, std: Tensor) -> dict[str, Tensor]:
    variance = of.variance[RETURNS]
    return {
        "explained_variance_floored": 1.0
        - of.variance[ADVANTAGES] / variance.clamp_min(RETURN_VARIANCE_FLOOR),
        "value_nrmse": std[ADVANTAGES] / (std[RETURNS] + RETURN_VARIANCE_FLOOR**0.5),
        "return_variance_low": (variance < RETURN_VARIANCE_FLOOR).float(),
    }


def _correlation(of: Shape) -> Measurement:
    """Pearson's, of values and returns."""
    product = (of.centred[VALUES] * of.centred[RETURNS]).sum() / of.steps.clamp_min(1.0)
    variances = torch.stack((of.variance[VALUES], of.variance[RETURNS]))
    constant = (variances < SMALLEST_VARIANCE).any()
    scale = variances.clamp_min(SMALLEST_VARIANCE).sqrt().prod()
    return Measurement((product / scale).clamp(-1.0, 1.0), constant.logical_not())


def _extremes(of: Shape) -> dict[str, Tensor]:
    dead = of.alive == 0
    largest = of.columns.masked_fill(dead, -torch.inf).amax(1)
    smallest = of.columns.masked_fill(dead, torch.inf).amin(1)
    return {
        "advantage_min": smallest[ADVANTAGES],
        "advantage_max": largest[ADVANTAGES],
        "value_min": smallest[VALUES],
        "value_max": largest[VALUES],
    }


def _quantiles(of: Shape) -> dict[str, Tensor]:
    """Linear interpolation between order statistics; NaN if any return is NaN."""
    ordered = of.columns[RETURNS].masked_fill(of.alive == 0, torch.inf).sort().values
    last = (of.steps - 1.0).clamp_min(0.0)
    place = torch.stack([share * last for share in QUANTILES.values()])
    below, above = (ordered.index_select(0, index.long()) for index in (place.floor(), place.ceil()))
    between = torch.where(above == below, below, below + (above - below) * place.frac())
    quantiles = torch.where(of.mean[RETURNS].isnan(), torch.nan, between)
    return dict(zip(QUANTILES, quantiles, strict=True))
