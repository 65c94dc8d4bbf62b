"""Transitions of all steps in one buffer."""

import torch

from esper_trainer.ppo.rollout_buffer import Transitions, empty_transitions, store

CPU = torch.device("cpu")


def test_a_buffer_has_the_steps_as_its_first_dimension():
    """The other dimensions are those of one step, and types are as documented."""
    buffer = empty_transitions(horizon=5, environments=3, observation_size=7, device=CPU)

    shapes = {name: tuple(tensor.shape) for name, tensor in buffer._asdict().items()}
    assert shapes == {
        "observations": (5, 3, 7), "ops": (5, 6, 3), "slots": (5, 3, 3), "actions": (5, 8, 3),
        "log_probs": (5, 8, 3), "values": (5, 3), "rewards": (5, 3), "alive": (5, 3),
    }  # fmt: skip
    assert buffer.actions.dtype == torch.int64
    assert {buffer.ops.dtype, buffer.slots.dtype, buffer.alive.dtype} == {torch.bool}


def test_storing_a_step_leaves_the_others_unchanged():
    """This holds even if the numbers of steps, environments and heads are equal."""
    buffer = empty_transitions(8, 8, 8, CPU)
    ones = Transitions(*(torch.ones_like(tensor[0]) for tensor in buffer))

    store(buffer, torch.tensor([3]), ones)

    for tensor in buffer:
        assert tensor[3].bool().all()
        assert not tensor[:3].any()
        assert not tensor[4:].any()
