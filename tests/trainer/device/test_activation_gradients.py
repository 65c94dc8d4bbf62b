"""The backward kernels agree with autograd."""

import torch

from esper_trainer.device.activation_gradients import hardtanh_backward, threshold_backward

VALUES = torch.tensor([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
GRADIENT = torch.arange(1.0, 8.0)


def autograd(function):
    """The gradient of a function at `VALUES`, with `GRADIENT` as that of its result."""
    values = VALUES.clone().requires_grad_()
    return torch.autograd.grad(function(values), values, GRADIENT)[0]


def test_threshold_backward_is_the_gradient_of_relu():
    """The threshold is 0, where the gradient is 0 too."""
    assert torch.equal(threshold_backward(GRADIENT, VALUES, 0), autograd(torch.relu))


def test_threshold_backward_writes_to_a_given_tensor():
    """It returns that tensor."""
    into = torch.full_like(VALUES, torch.nan)

    assert threshold_backward(GRADIENT, VALUES, 1.0, into=into) is into
    assert into.tolist() == [0, 0, 0, 0, 0, 0, 7]


def test_hardtanh_backward_is_the_gradient_of_clamping():
    """It is 0 at the limits and beyond them."""
    clamped = autograd(lambda values: torch.nn.functional.hardtanh(values, -1, 1))

    assert torch.equal(hardtanh_backward(GRADIENT, VALUES, -1, 1), clamped)
    assert hardtanh_backward(GRADIENT, VALUES, -1, 1).tolist() == [0, 0, 3, 4, 5, 0, 0]
