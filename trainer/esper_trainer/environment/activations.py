"""The backward kernels of two activation functions, the ones that autograd itself runs.

A comparison and a product say the same, but a product with a bool tensor is slow on a CPU.
"""

from torch import Tensor, ops


def threshold_backward(gradient: Tensor, value: Tensor, threshold: float) -> Tensor:
    """The gradient where `value` is above the threshold, else 0."""
    result: Tensor = ops.aten.threshold_backward(gradient, value, threshold)
    return result


def hardtanh_backward(gradient: Tensor, value: Tensor, low: float, high: float) -> Tensor:
    """The gradient where `value` is strictly between the limits, else 0."""
    result: Tensor = ops.aten.hardtanh_backward(gradient, value, low, high)
    return result
