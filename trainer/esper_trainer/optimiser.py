"""The optimiser step: one flat gradient, measured and clipped once, applied or skipped on the device."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.layout import Layout
from esper_trainer.policy import Tamiyo

CLIP_EPSILON = 1e-6


class GradientStatistics(NamedTuple):
    """What one optimiser step measured, 0-d but `heads` [8].

    norm_before and norm_after clipping; nan and inf: counts of such entries; skipped: 1 where loss or
    gradient was not finite; heads: norms of the rows of each head in the output layer, before clipping.
    """

    norm_before: Tensor
    norm_after: Tensor
    nan: Tensor
    inf: Tensor
    skipped: Tensor
    heads: Tensor


class Optimiser:
    """Adam whose steps can be called off by a tensor.

    All gradients are views of one flat tensor, so that one kernel measures or scales them. Fused Adam
    leaves parameters, moments and step count alone where its `found_inf` is 1; that replaces the
    `if` for which the host would have to wait.
    """

    def __init__(
        self, policy: Tamiyo, layout: Layout, learning_rate: float, epsilon: float, max_norm: float
    ) -> None:
        self._parameters = list(policy.parameters())
        self._output = policy.output
        self._membership = layout.membership
        self._max_norm = max_norm
        self._gradient = _flat_gradient(self._parameters)
        on_host = self._gradient.device.type == "cpu"
        rate = learning_rate if on_host else torch.tensor(learning_rate, device=self._gradient.device)
        self._adam = torch.optim.Adam(self._parameters, lr=rate, eps=epsilon, fused=True)
        self._skip = torch.zeros((), device=self._gradient.device)
        self._adam.found_inf = self._skip  # type: ignore[attr-defined]

    def step(self, loss: Tensor, stopped: Tensor) -> GradientStatistics:
        """Descend, unless `stopped` (bool, 0-d) or something is not finite."""
        self._gradient.zero_()
        torch.autograd.backward(loss)
        statistics = self._clip(loss.detach())
        self._skip.copy_(stopped.logical_or(statistics.skipped > 0))
        self._adam.step()
        return statistics

    def set_learning_rate(self, learning_rate: float) -> None:
        """Use this rate from the next step on; on CUDA it is a tensor, which a captured graph reads."""
        for group in self._adam.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(learning_rate)
            else:
                group["lr"] = learning_rate

    def state(self) -> dict[str, Tensor]:
        """Adam's moments and step counts, by the number of the parameter; empty before the first step."""
        return {
            f"{index}.{name}": value
            for index, parameter in enumerate(self._parameters)
            for name, value in self._adam.state[parameter].items()
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a `state`. Raises KeyError or RuntimeError if it is that of other parameters."""
        for name, value in state.items():
            index, _, quantity = name.partition(".")
            parameter = self._parameters[int(index)]
            own = torch.zeros_like(parameter if value.dim() else self._skip)
            self._adam.state[parameter][quantity] = own.copy_(value)

    @torch.no_grad()
    def _clip(self, loss: Tensor) -> GradientStatistics:
        norm = torch.linalg.vector_norm(self._gradient)
        heads = self._head_norms()
        finite = norm.isfinite().logical_and(loss.isfinite())
        nan, inf = self._gradient.isnan().sum(), self._gradient.isinf().sum()
        scale = (self._max_norm / (norm + CLIP_EPSILON)).clamp_max(1.0)
        self._gradient.mul_(scale)
        return GradientStatistics(norm, norm * scale, nan, inf, 1.0 - finite.float(), heads)

    def _head_norms(self) -> Tensor:
        weight, bias = self._output.weight.grad, self._output.bias.grad
        assert weight is not None
        assert bias is not None
        return (self._membership @ (weight.square().sum(1) + bias.square())).sqrt()


def _flat_gradient(parameters: list[torch.nn.Parameter]) -> Tensor:
    """One zeroed tensor of which every parameter's gradient becomes a view."""
    flat = torch.zeros_like(torch.nn.utils.parameters_to_vector(parameters).detach())
    offset = 0
    for parameter in parameters:
        parameter.grad = flat[offset : offset + parameter.numel()].view_as(parameter)
        offset += parameter.numel()
    return flat
