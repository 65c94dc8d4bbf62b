"""The optimiser step: one flat gradient, measured and clipped once, applied or skipped on the device."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.metrics import DEAD_GRADIENT_FACTOR, EXPLODING_GRADIENT_FACTOR, MAGNITUDE_FACTORS
from esper_trainer.model.action_layout import HEAD_COUNT, VALUE_ROW, ActionLayout
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.adam import Adam
from esper_trainer.ranks.process_group import ALONE, ProcessGroup

CLIP_EPSILON = 1e-6


class GradientStatistics(NamedTuple):
    """What one optimiser step measured, 0-d but `heads` [8] and `layers` [P].

    norm_before and norm_after clipping; nan and inf: counts of such entries; skipped: 1 where loss or
    gradient was not finite; heads, value: norms of the rows of each head and of the value in the output
    layer, layers: squared norm of each parameter, all before clipping, and 0 if they were not asked for.
    """

    norm_before: Tensor
    norm_after: Tensor
    nan: Tensor
    inf: Tensor
    skipped: Tensor
    heads: Tensor
    value: Tensor
    layers: Tensor


class LayerInfo(NamedTuple):
    """The policy's P parameters as telemetry needs them.

    names; sizes: number of entries [P]; lstm: 1 for the LSTM's [P]. What a gradient is judged by, all in
    proportion to the norm that clipping allows: exploding, the norm of one parameter beyond which it
    explodes; dead, the root mean square per entry below which it does not learn; magnitude_bounds, by which
    entries are sorted.
    """

    names: tuple[str, ...]
    sizes: Tensor
    lstm: Tensor
    exploding: float
    dead: float
    magnitude_bounds: tuple[float, ...]


class PolicyOptimiser:
    """Adam whose steps can be called off by a tensor.

    All gradients are views of one flat tensor, so that one kernel measures or scales them. Adam leaves
    parameters, moments and step count alone where `skip` is 1; that replaces the `if` for which the host
    would have to wait.
    """

    def __init__(
        self,
        policy: Tamiyo,
        layout: ActionLayout,
        learning_rate: float,
        epsilon: float,
        max_norm: float,
        group: ProcessGroup = ALONE,
    ) -> None:
        self._group = group
        self._parameters = list(policy.parameters())
        self._output = policy.output
        self._membership = layout.membership
        self._max_norm = max_norm
        self._reduced = _flat_gradient(self._parameters)
        self._gradient = self._reduced[:-2]
        self._gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        self._adam = Adam(self._parameters, self._gradients, learning_rate, epsilon)
        self._skip = self._adam.skip
        self.layers = _layers(policy, max_norm, self._skip)
        self._no_parts = (
            self._skip.new_zeros(HEAD_COUNT),
            torch.zeros_like(self._skip),
            torch.zeros_like(self.layers.sizes),
        )

    def step(self, loss: Tensor, stopped: Tensor, *, detailed: bool = True) -> GradientStatistics:
        """Descend, unless `stopped` (bool, 0-d) or something is not finite."""
        self.backward(loss, self._skip)
        return self.apply(stopped, detailed=detailed)

    def backward(self, loss: Tensor, other: Tensor) -> Tensor:
        """Sum gradient, loss and some `other` number (0-d) over all processes; returns that sum."""
        gradients = torch.autograd.grad(loss, self._parameters, materialize_grads=True)
        torch._foreach_copy_(self._gradients, gradients)
        self._reduced[-2:].copy_(torch.stack((loss.detach(), other)))
        return self._group.sum_(self._reduced)[-1]

    def apply(self, stopped: Tensor, *, detailed: bool = True) -> GradientStatistics:
        """Descend along the summed gradient, unless `stopped` (bool, 0-d) or something is not finite.

        Norms of parts of the network are measured only if the step is to be `detailed`.
        """
        statistics = self._clip(self._reduced[-2], detailed)
        self._skip.copy_(stopped.logical_or(statistics.skipped > 0))
        self._adam.step()
        return statistics

    def set_learning_rate(self, learning_rate: float) -> None:
        """Use this rate from the next step on."""
        self._adam.set_learning_rate(learning_rate)

    def state_dict(self) -> dict[str, Tensor]:
        """Adam's moments and step counts, by the number of the parameter."""
        return self._adam.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a `state`. Raises KeyError or RuntimeError if it is that of other parameters."""
        self._adam.load_state_dict(state)

    @torch.no_grad()
    def _clip(self, loss: Tensor, detailed: bool) -> GradientStatistics:
        norm = torch.linalg.vector_norm(self._gradient)
        parts = self._parts() if detailed else self._no_parts
        finite = norm.isfinite().logical_and(loss.isfinite())
        nan, not_finite = _count_nan(self._gradient.clamp(0.0, 0.0)), _count_nan(self._gradient * 0.0)
        scale = (self._max_norm / (norm + CLIP_EPSILON)).clamp_max(1.0)
        self._gradient.mul_(scale)
        return GradientStatistics(norm, norm * scale, nan, not_finite - nan, 1.0 - finite.float(), *parts)

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """`heads`, `value` and `layers` of the statistics."""
        weight, bias = self._output.weight.grad, self._output.bias.grad
        assert weight is not None
        assert bias is not None
        rows = weight.square().sum(1) + bias.square()
        layers = torch.stack(torch._foreach_norm(self._gradients)).square_()
        return (self._membership @ rows).sqrt(), rows[VALUE_ROW].sqrt(), layers


def _count_nan(values: Tensor) -> Tensor:
    """How many there are; the others have to be 0. Comparing and adding up bools takes four times as long."""
    return values.nan_to_num_(1.0).sum()


def _layers(policy: Tamiyo, max_norm: float, like: Tensor) -> LayerInfo:
    names = tuple(name for name, _ in policy.named_parameters())
    return LayerInfo(
        names,
        sizes=like.new_tensor([parameter.numel() for parameter in policy.parameters()]),
        lstm=like.new_tensor([name.startswith("lstm.") for name in names]),
        exploding=EXPLODING_GRADIENT_FACTOR * max_norm,
        dead=DEAD_GRADIENT_FACTOR * max_norm,
        magnitude_bounds=tuple(factor * max_norm for factor in MAGNITUDE_FACTORS),
    )


def _flat_gradient(parameters: list[torch.nn.Parameter]) -> Tensor:
    """One zeroed tensor of which every parameter's gradient becomes a view; two numbers follow."""
    vector = torch.nn.utils.parameters_to_vector(parameters).detach()
    flat = vector.new_zeros(vector.numel() + 2)
    offset = 0
    for parameter in parameters:
        parameter.grad = flat[offset : offset + parameter.numel()].view_as(parameter)
        offset += parameter.numel()
    return flat
