"""Scripted policies as baselines for learning: wait, random, grow_mlp."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from esper_schemas.heads import HEADS, AlphaTarget, Blueprint, Op, Stage, Style, Tempo
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.presets import Preset

TRAINING_STEPS = 3
"""Steps for which grow_mlp trains a seed before it blends it in."""

_SEED_OFFSET = 1_000_003  # the policy must not repeat the environment's random numbers
Policy = Callable[[MorphEnvironment, torch.Generator], Tensor]


@dataclass(frozen=True)
class BaselineResult:
    """The result of a scripted policy over environments and episodes.

    mean_return: undiscounted sum of rewards. return_deviation: its standard deviation. mean_accuracy:
    validation accuracy at the end, 0 to 1.
    """

    name: str
    mean_return: float
    return_deviation: float
    mean_accuracy: float


def run_baseline(
    name: str,
    environments: int,
    preset: Preset,
    seed: int,
    device: torch.device,
    episodes: int = 1,
) -> BaselineResult:
    """Run whole episodes with the scripted policy `name`, one of `BASELINES`."""
    policy = BASELINES[name]
    environment = MorphEnvironment(environments, preset, seed=seed, device=device)
    generator = torch.Generator(device).manual_seed(seed + _SEED_OFFSET)
    returns, accuracies = [], []
    for _ in range(episodes):
        environment.reset()
        rewards = [environment.step(policy(environment, generator)).reward for _ in range(preset.horizon)]
        returns.append(torch.stack(rewards).sum(0))
        accuracies.append(environment.accuracy)
    total = torch.cat(returns)
    return BaselineResult(
        name=name,
        mean_return=float(total.mean()),
        return_deviation=float(total.std(correction=0)),
        mean_accuracy=float(torch.cat(accuracies).mean()),
    )


def wait(environment: MorphEnvironment, generator: torch.Generator) -> Tensor:
    """Choose WAIT everywhere; the other heads are irrelevant."""
    del generator
    return torch.zeros(len(HEADS), environment.environments, dtype=torch.int64, device=environment.device)


def random(environment: MorphEnvironment, generator: torch.Generator) -> Tensor:
    """Choose uniformly: a legal op, then one of its legal slots, then the other heads."""
    masks = environment.action_masks()
    op = _uniform(masks.op, generator)
    slots = masks.slot_by_op.movedim(2, 1)[op, torch.arange(len(op), device=op.device)].T
    offered = masks.choices[:, :, None].expand(-1, -1, len(op))
    action = torch.stack([_uniform(mask, generator) for mask in offered])
    action[HEADS.index("op")] = op
    action[HEADS.index("slot")] = _uniform(slots, generator)
    return action


def _uniform(mask: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one index per column of `mask` [choices, N], uniform over its True entries; int64 [N]."""
    keys = torch.rand(mask.shape, generator=generator, device=mask.device)
    return torch.where(mask, keys, -1.0).argmax(0)


def grow_mlp(environment: MorphEnvironment, generator: torch.Generator) -> Tensor:
    """Fill every slot with an MLP, train it briefly, blend it in fully, and keep it."""
    masks = environment.action_masks()
    still_training = (environment.stage == Stage.TRAINING) & (environment.stage_age < TRAINING_STEPS)
    action = wait(environment, generator)
    settings = {
        "blueprint": Blueprint.MLP,
        "style": Style.LINEAR_ADD,
        "tempo": Tempo.FAST,
        "alpha_target": AlphaTarget.FULL,
    }
    for head, choice in settings.items():
        action[HEADS.index(head)] = int(choice)
    for op in (Op.GERMINATE, Op.ADVANCE, Op.FOSSILIZE):
        ready = masks.slot_by_op[op] & masks.op[op]
        if op is Op.ADVANCE:
            ready = ready & ~still_training
        somewhere = ready.any(0)
        action[0] = torch.where(somewhere, int(op), action[0])
        action[1] = torch.where(somewhere, ready.float().argmax(0), action[1])
    return action


BASELINES: dict[str, Policy] = {"wait": wait, "random": random, "grow_mlp": grow_mlp}
