"""Adam with a step that can be skipped, against torch.optim.Adam."""

import pytest
import torch

from esper_trainer.ppo.adam import Adam


def parameters():
    """Two parameters with known values."""
    return [torch.linspace(-1, 1, 6).view(2, 3), torch.ones(4)]


def gradients(step):
    """Different gradients for every step."""
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(tensor.shape, generator=generator) for tensor in parameters()]


def run(optimiser, buffers, steps, skipped=()):
    """Take steps; the gradients are written to the buffers that the optimiser reads."""
    for step in steps:
        torch._foreach_copy_(buffers, gradients(step))
        optimiser.skip.fill_(float(step in skipped))
        optimiser.step()


def adam_of(values, learning_rate=0.1):
    """An optimiser and its gradient buffers."""
    buffers = [torch.zeros_like(value) for value in values]
    return Adam(values, buffers, learning_rate, 1e-5), buffers


def test_its_steps_are_those_of_torch():
    """This holds after a change of the learning rate, too."""
    ours, theirs = parameters(), [torch.nn.Parameter(value) for value in parameters()]
    optimiser, buffers = adam_of(ours)
    reference = torch.optim.Adam(theirs, lr=0.1, eps=1e-5)
    for step in range(4):
        if step == 2:
            optimiser.set_learning_rate(0.03)
            reference.param_groups[0]["lr"] = 0.03
        run(optimiser, buffers, [step])
        for parameter, gradient in zip(theirs, gradients(step), strict=True):
            parameter.grad = gradient
        reference.step()

    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other.detach())


def test_a_skipped_step_changes_nothing():
    """Parameters, moments and step counts are bit-identical to those without it, even for NaN gradients."""
    ours, twin = parameters(), parameters()
    optimiser, buffers = adam_of(ours)
    without, others = adam_of(twin)
    run(optimiser, buffers, [0, 1, 2], skipped={1})
    run(without, others, [0, 2])
    buffers[0].fill_(torch.nan)
    optimiser.skip.fill_(1.0)
    optimiser.step()

    for one, other in zip(ours, twin, strict=True):
        assert torch.equal(one, other)
    for name, tensor in without.state_dict().items():
        assert torch.equal(optimiser.state_dict()[name], tensor), name


def test_a_restored_state_continues_exactly():
    """The parameters are those of a run without interruption."""
    ours = parameters()
    optimiser, buffers = adam_of(ours)
    run(optimiser, buffers, [0, 1])
    saved = {name: tensor.clone() for name, tensor in optimiser.state_dict().items()}
    copies = [value.clone() for value in ours]
    run(optimiser, buffers, [2])

    resumed, others = adam_of(copies)
    resumed.load_state_dict(saved)
    run(resumed, others, [2])

    assert all(torch.equal(one, other) for one, other in zip(ours, copies, strict=True))


@pytest.mark.parametrize("shape", [(3, 3), None])
def test_the_state_of_other_parameters_is_refused(shape):
    """It has a tensor of another shape, or a name that does not exist."""
    optimiser, _ = adam_of(parameters())
    state = {"0.exp_avg": torch.zeros(shape)} if shape else {"7.exp_avg": torch.zeros(1)}

    with pytest.raises((KeyError, RuntimeError)):
        optimiser.load_state_dict(state)
