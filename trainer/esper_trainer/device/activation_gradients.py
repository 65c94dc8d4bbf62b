"""The backward kernels of two activation functions, as autograd calls them.

A comparison followed by a product gives the same result, but multiplying by a bool tensor is slow on a CPU.
"""

from torch import Tensor, ops


def threshold_backward(
    gradient: Tensor, value: Tensor, threshold: float, into: Tensor | None = None
) -> Tensor:
    """The gradient where `value` is above the threshold, else 0; written to `into` if it is given."""
    backward = ops.aten.threshold_backward
    if into is None:
        result: Tensor = backward(gradient, value, threshold)
        return result
    backward.grad_input(gradient, value, threshold, grad_input=into)
    return into


def hardtanh_backward(gradient: Tensor, value: Tensor, low: float, high: float) -> Tensor:
    """The gradient where `value` is strictly between the limits, else 0."""
    result: Tensor = ops.aten.hardtanh_backward(gradient, value, low, high)
    return result
