"""The faults of `single_file`, for tuning at other places than otherwise."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from benchmarks.verdicts.identities import Array
from benchmarks.verdicts.table import Fault, Place
from benchmarks.verdicts.trainers.single_file import Batch, SingleFilePPO
from benchmarks.verdicts.trainers.tasks import RewardDamage
from torch import Tensor

Injection = Callable[[SingleFilePPO], None]


def inject(ppo: SingleFilePPO, fault: Fault, place: Place) -> None:
    """Inject a fault at its place, for tuning or otherwise."""
    _INJECTIONS[fault.name][place == "measured"](ppo)


def _sets(**settings: Any) -> Injection:
    def injection(ppo: SingleFilePPO) -> None:
        for name, value in settings.items():
            setattr(ppo, name, value)

    return injection


def _learning_rate(factor: float) -> Injection:
    def injection(ppo: SingleFilePPO) -> None:
        ppo.learning_rate *= factor

    return injection


def _steps(factor: float) -> Injection:
    """Every step of the parameters is multiplied by a factor."""

    def injection(ppo: SingleFilePPO) -> None:
        step = ppo.step

        def stretched() -> None:
            before = [parameter.detach().clone() for parameter in ppo.agent.parameters()]
            step()
            with torch.no_grad():
                for parameter, old in zip(ppo.agent.parameters(), before, strict=True):
                    parameter.copy_(old + factor * (parameter - old))

        ppo.step = stretched  # type: ignore[method-assign]

    return injection


def damage_environment_rewards(factor: float) -> None:
    """Multiply all rewards where the environment returns them."""
    RewardDamage.factor = factor


def _in_environment(factor: float) -> Injection:
    return lambda ppo: damage_environment_rewards(factor)


def _stores(change: Callable[[Array, Array], tuple[Array, Array]]) -> Injection:
    return _sets(stored=change)


def _gathers(change: Callable[[Batch], Batch]) -> Injection:
    return _sets(gathered=change)


def one_nan(rewards: Array) -> Array:
    """The rewards with one that is not a number."""
    damaged = rewards.copy()
    damaged[10, 0] = np.nan
    return damaged


def late(rewards: Array, steps: int) -> Array:
    """The rewards of a rollout, each some steps later."""
    return np.roll(rewards, steps, axis=0)


def shuffled(values: Array, seed: int = 0) -> Array:
    """The values in a random order."""
    return (
        np.random.default_rng(seed + int(np.abs(values).sum() * 1e3) % 2**31)
        .permuted(values.reshape(-1))
        .reshape(values.shape)
    )


def noisy(log_probs: Array) -> Array:
    """Log-probabilities with a noise of 0.1."""
    return log_probs + np.random.normal(0.0, 0.1, log_probs.shape).astype(np.float32)


def _frozen_critic(ppo: SingleFilePPO) -> None:
    for parameter in ppo.agent.critic.parameters():
        parameter.register_hook(torch.zeros_like)


def _scaled_logits_once(ppo: SingleFilePPO) -> None:
    last = list(ppo.agent.actor.modules())[-1]
    with torch.no_grad():
        last.weight.mul_(50.0)  # type: ignore[union-attr, operator]


def _scaled_logits(ppo: SingleFilePPO) -> None:
    ppo.agent.actor.register_forward_hook(lambda module, inputs, output: 50.0 * output)


def reversed_gradient(values: Tensor, factor: float) -> Tensor:
    """The same values, whose gradient is multiplied by a factor."""
    return values.detach() + factor * (values - values.detach())


def _no_clipping(ppo: SingleFilePPO) -> None:
    def anew(batch: Batch) -> Batch:
        with torch.no_grad():
            log_probs, _, _ = ppo.agent.evaluate(batch.observations, batch.actions)
        return batch._replace(log_probs=log_probs)

    _sets(epochs=40, gathered=anew)(ppo)


_INJECTIONS: dict[str, tuple[Injection, Injection]] = {
    "learning rate × 100": (_learning_rate(100.0), _steps(100.0)),
    "rewards × 1000": (
        _in_environment(1000.0),
        _stores(lambda rewards, log_probs: (1000.0 * rewards, log_probs)),
    ),
    "learning rate 1e-9": (_sets(learning_rate=1e-9), _steps(0.0)),
    "zero rewards": (_in_environment(0.0), _stores(lambda rewards, log_probs: (0.0 * rewards, log_probs))),
    "frozen critic": (_sets(value_coefficient=0.0), _frozen_critic),
    "no clipping": (_sets(clip_range=1e6, epochs=40), _no_clipping),
    "negative entropy bonus": (
        _sets(entropy_coefficient=-1.0),
        lambda ppo: _sets(
            entropy_coefficient=0.01,
            policy_terms=lambda log_probs, entropies: (log_probs, reversed_gradient(entropies, -100.0)),
        )(ppo),
    ),
    "NaN reward": (
        _in_environment(float("nan")),
        _stores(lambda rewards, log_probs: (one_nan(rewards), log_probs)),
    ),
    "target KL 1e-8": (_sets(target_kl=1e-8), _sets(epochs=1, minibatches=lambda parts: parts[:1])),
    "logits × 50": (_scaled_logits_once, _scaled_logits),
    "advantages shuffled": (
        _sets(targets=shuffled),
        _gathers(lambda b: b._replace(advantages=b.advantages[torch.randperm(len(b.advantages))])),
    ),
    "sign flipped": (
        _sets(targets=lambda advantages: -advantages),
        _sets(policy_terms=lambda log_probs, entropies: (reversed_gradient(log_probs, -1.0), entropies)),
    ),
    "rewards late": (
        _stores(lambda rewards, log_probs: (late(rewards, 8), log_probs)),
        _stores(lambda rewards, log_probs: (late(rewards, 1), log_probs)),
    ),
    "noisy old log-probs": (
        _stores(lambda rewards, log_probs: (rewards, noisy(log_probs))),
        _gathers(lambda b: b._replace(log_probs=b.log_probs + 0.1 * torch.randn_like(b.log_probs))),
    ),
}
