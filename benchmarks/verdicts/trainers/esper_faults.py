"""The faults of `esper`, for tuning at other places than otherwise."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from benchmarks.verdicts.table import Fault, Place
from benchmarks.verdicts.trainers.esper import EsperTraining
from benchmarks.verdicts.trainers.single_file_faults import reversed_gradient
from torch import Tensor

from esper_trainer.model.action_layout import VALUE_ROW
from esper_trainer.model.policy import PolicyOutput

Injection = Callable[[EsperTraining], None]


def inject(training: EsperTraining, fault: Fault, place: Place) -> None:
    """Inject a fault at its place, for tuning or otherwise."""
    _INJECTIONS[fault.name][place == "measured"](training)


def _sets(**places: Any) -> Injection:
    def injection(training: EsperTraining) -> None:
        for name, value in places.items():
            setattr(training, name, value)

    return injection


def _settings(kl_limit: float | None = None, **settings: Any) -> Injection:
    def injection(training: EsperTraining) -> None:
        training.ppo._config = replace(training.ppo._config, **settings)
        training.ppo._kl_limit = training.ppo._kl_limit if kl_limit is None else kl_limit

    return injection


def _steps(factor: float) -> Injection:
    def injection(training: EsperTraining) -> None:
        adam, policy = training.ppo.optimiser._adam, training.policy
        step = adam.step

        def stretched() -> None:
            before = [parameter.detach().clone() for parameter in policy.parameters()]
            step()
            with torch.no_grad():
                for parameter, old in zip(policy.parameters(), before, strict=True):
                    parameter.copy_(old + factor * (parameter - old))

        adam.step = stretched  # type: ignore[method-assign]

    return injection


def _rewarded(change: Callable[[Tensor], object]) -> Injection:
    return _sets(rewarded=change)


def _stored(change: Callable[[Tensor], object]) -> Injection:
    return _sets(stored=lambda transitions: change(transitions.rewards))


def _one_nan(rewards: Tensor) -> None:
    rewards[10, 0] = math.nan


def _late(steps: int) -> Injection:
    return _stored(lambda rewards: rewards.copy_(rewards.roll(steps, 0)))


def _frozen_critic(training: EsperTraining) -> None:
    def without(gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        gradient[VALUE_ROW] = 0.0
        return gradient

    training.policy.output.weight.register_hook(without)
    training.policy.output.bias.register_hook(without)


def _scaled_logits_once(training: EsperTraining) -> None:
    with torch.no_grad():
        training.policy.output.weight[:VALUE_ROW].mul_(50.0)


def _logits(change: Callable[[Tensor], Tensor]) -> Injection:
    def changed(module: Any, inputs: Any, output: PolicyOutput) -> PolicyOutput:
        return output._replace(logits=change(output.logits))

    return lambda training: training.policy.register_forward_hook(changed) and None


def _negative_entropy(training: EsperTraining) -> None:
    layout = training.ppo._layout
    training.ppo._layout = layout._replace(entropy_multipliers=-100.0 * layout.entropy_multipliers)


def _noise(log_probs: Tensor) -> Tensor:
    return log_probs.add_(0.1 * torch.randn_like(log_probs))


def _shuffled(values: Tensor) -> Tensor:
    return values.flatten()[torch.randperm(values.numel())].view_as(values)


def _drop_state(every: int) -> Injection:
    def injection(training: EsperTraining) -> None:
        collector = training.learner.collector
        step, passes = collector._step, iter(range(10**9))

        def without() -> None:
            if next(passes) % every == 0:
                for part in collector._state:
                    part.zero_()
            step()

        collector._step = without

    return injection


_INJECTIONS: dict[str, tuple[Injection, Injection]] = {
    "learning rate × 100": (_sets(learning_rate=0.15), _steps(100.0)),
    "rewards × 1000": (
        _rewarded(lambda rewards: rewards.mul_(1000.0)),
        _stored(lambda rewards: rewards.mul_(1000.0)),
    ),
    "learning rate 1e-9": (_sets(learning_rate=1e-9), _steps(0.0)),
    "zero rewards": (_rewarded(Tensor.zero_), _stored(Tensor.zero_)),
    "frozen critic": (_settings(value_coefficient=0.0), _frozen_critic),
    "no clipping": (
        _settings(math.inf, clip_range=1e6, epochs=20),
        _settings(math.inf, clip_range=1e6, epochs=20),
    ),
    "negative entropy bonus": (_sets(entropy_coefficient=-1.0), _negative_entropy),
    "NaN reward": (_rewarded(_one_nan), _stored(_one_nan)),
    "target KL 1e-8": (_settings(1.5e-8), _settings(epochs=1)),
    "logits × 50": (_scaled_logits_once, _logits(lambda logits: 50.0 * logits)),
    "advantages shuffled": (
        _sets(targets=lambda targets: targets._replace(advantages=_shuffled(targets.advantages))),
        _sets(gathered=lambda batch: batch._replace(advantages=_shuffled(batch.advantages))),
    ),
    "sign flipped": (
        _sets(targets=lambda targets: targets._replace(advantages=-targets.advantages)),
        _logits(lambda logits: reversed_gradient(logits, -1.0)),
    ),
    "rewards late": (_late(8), _late(1)),
    "noisy old log-probs": (
        _sets(stored=lambda transitions: _noise(transitions.log_probs)),
        _sets(gathered=lambda batch: batch._replace(old_log_probs=_noise(batch.old_log_probs.clone()))),
    ),
    "recurrent state dropped": (_drop_state(1), _drop_state(2)),
}
