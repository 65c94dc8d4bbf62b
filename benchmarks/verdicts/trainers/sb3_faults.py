"""The faults of `sb3` and `sb3_recurrent`, for tuning at other places than otherwise."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from benchmarks.verdicts.identities import Array
from benchmarks.verdicts.table import Fault, Place
from benchmarks.verdicts.trainers.sb3 import Instrumented
from benchmarks.verdicts.trainers.single_file_faults import (
    damage_environment_rewards,
    late,
    noisy,
    one_nan,
    reversed_gradient,
    shuffled,
)

Injection = Callable[[Instrumented], None]


def inject(instrumented: Instrumented, fault: Fault, place: Place) -> None:
    """Inject a fault at its place, for tuning or otherwise."""
    _INJECTIONS[fault.name][place == "measured"](instrumented)


def _sets(**settings: Any) -> Injection:
    def injection(instrumented: Instrumented) -> None:
        for name, value in settings.items():
            setattr(instrumented.model, name, value)

    return injection


def _at(**places: Any) -> Injection:
    def injection(instrumented: Instrumented) -> None:
        for name, change in places.items():
            setattr(instrumented, name, change)

    return injection


def _learning_rate(change: Callable[[float], float]) -> Injection:
    def injection(instrumented: Instrumented) -> None:
        schedule = instrumented.model.lr_schedule
        instrumented.model.lr_schedule = lambda remaining: change(schedule(remaining))

    return injection


def _steps(factor: float) -> Injection:
    def injection(instrumented: Instrumented) -> None:
        step, policy = instrumented.step, instrumented.model.policy

        def stretched() -> None:
            before = [parameter.detach().clone() for parameter in policy.parameters()]
            step()
            with torch.no_grad():
                for parameter, old in zip(policy.parameters(), before, strict=True):
                    parameter.copy_(old + factor * (parameter - old))

        instrumented.step = stretched

    return injection


def _in_environment(factor: float) -> Injection:
    return lambda instrumented: damage_environment_rewards(factor)


def _stores_rewards(change: Callable[[Array], Array]) -> Injection:
    return _at(stored=lambda stored: (change(stored[0]), stored[1]))


def _gathers(field: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Injection:
    return _at(gathered=lambda sample: sample._replace(**{field: change(getattr(sample, field))}))


def _frozen_critic(instrumented: Instrumented) -> None:
    for parameter in instrumented.critic():
        parameter.register_hook(torch.zeros_like)


def _no_clipping(instrumented: Instrumented) -> None:
    """The old log-probs of a minibatch are computed anew."""

    def anew(sample: Any) -> Any:
        actions = sample.actions
        if not hasattr(instrumented.model.policy, "log_std"):
            actions = actions.long().flatten()
        memory = (sample.lstm_states, sample.episode_starts) if instrumented.recurrent else ()
        with torch.no_grad():
            _, log_probs, _ = instrumented._evaluate(sample.observations, actions, *memory)
        return sample._replace(old_log_prob=log_probs)

    instrumented.model.n_epochs = 40
    instrumented.gathered = anew


def _scaled_logits_once(instrumented: Instrumented) -> None:
    with torch.no_grad():
        instrumented.model.policy.action_net.weight.mul_(50.0)


def _scaled_logits(instrumented: Instrumented) -> None:
    network = instrumented.model.policy.action_net
    network.register_forward_hook(lambda module, inputs, output: 50.0 * output)


def _negative_entropy(instrumented: Instrumented) -> None:
    instrumented.model.ent_coef = 0.01
    instrumented.evaluated = lambda all_three: (
        *all_three[:2],
        reversed_gradient(all_three[2], -100.0),
    )


def _one_minibatch(instrumented: Instrumented) -> None:
    def first(minibatches: Iterator[Any]) -> Iterator[Any]:
        return islice(minibatches, 1)

    instrumented.model.n_epochs = 1
    instrumented.minibatches = first


def _drop_state(every: int) -> Injection:
    """The recurrent state is dropped in every n-th pass of the rollout."""

    def injection(instrumented: Instrumented) -> None:
        policy = instrumented.model.policy
        forward, passes = policy.forward, iter(range(10**9))

        def without(observations: Any, states: Any, starts: Any, *others: Any) -> Any:
            dropped = torch.ones_like(starts) if next(passes) % every == 0 else starts
            return forward(observations, states, dropped, *others)

        policy.forward = without

    return injection


_INJECTIONS: dict[str, tuple[Injection, Injection]] = {
    "learning rate × 100": (_learning_rate(lambda rate: 100.0 * rate), _steps(100.0)),
    "rewards × 1000": (_in_environment(1000.0), _stores_rewards(lambda rewards: 1000.0 * rewards)),
    "learning rate 1e-9": (_learning_rate(lambda rate: 1e-9), _steps(0.0)),
    "zero rewards": (_in_environment(0.0), _stores_rewards(lambda rewards: 0.0 * rewards)),
    "frozen critic": (_sets(vf_coef=0.0), _frozen_critic),
    "no clipping": (_sets(clip_range=lambda remaining: 1e6, n_epochs=40), _no_clipping),
    "negative entropy bonus": (_sets(ent_coef=-1.0), _negative_entropy),
    "NaN reward": (_in_environment(float("nan")), _stores_rewards(one_nan)),
    "target KL 1e-8": (_sets(target_kl=1e-8), _one_minibatch),
    "logits × 50": (_scaled_logits_once, _scaled_logits),
    "advantages shuffled": (
        _at(targets=shuffled),
        _gathers("advantages", lambda values: values[torch.randperm(len(values))]),
    ),
    "sign flipped": (
        _at(targets=lambda advantages: -advantages),
        _at(evaluated=lambda three: (three[0], reversed_gradient(three[1], -1.0), three[2])),
    ),
    "rewards late": (
        _stores_rewards(lambda rewards: late(rewards, 8)),
        _stores_rewards(lambda rewards: late(rewards, 1)),
    ),
    "noisy old log-probs": (
        _at(stored=lambda stored: (stored[0], noisy(stored[1]))),
        _gathers("old_log_prob", lambda values: values + 0.1 * torch.randn_like(values)),
    ),
    "recurrent state dropped": (_drop_state(1), _drop_state(2)),
}
