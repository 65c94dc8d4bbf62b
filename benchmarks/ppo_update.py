"""How long a PPO update takes at each telemetry level, compared with its LSTM's forward and backward pass.

No update of this policy can be faster than the LSTM alone, run as often as in the update. All are run in
turn, in both orders, and the processor time of the thread is measured, so that other work on the machine
affects all of them alike. Ratios are medians of the ratios within a round.

    python benchmarks/ppo_update.py [--threads 1] [--minibatches 1] [--compile] [--json]

With --compile the update is measured once more with its pointwise part compiled by torch.compile.
"""

import argparse
import copy
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.config import TrainingConfig
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.learner.ppo_update import PPO
from esper_trainer.model.action_layout import action_layout
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.rollout_collector import RolloutCollector

CPU = torch.device("cpu")


class Work(NamedTuple):
    """The functions that are compared: the LSTM, and updates at NORMAL and at lower levels of telemetry.

    update_unchecked does not compare rewards and advantages with the rewards of the environment; final
    evaluates the policy after an update, which is done in every fourth one. host and host_off compute the
    metrics from what was measured. update_compiled is the one at NORMAL with its pointwise part compiled,
    None if it was not requested.
    """

    lstm: Callable[[], object]
    update: Callable[[], object]
    update_minimal: Callable[[], object]
    update_off: Callable[[], object]
    update_unchecked: Callable[[], object]
    final: Callable[[], object]
    host: Callable[[], object]
    host_off: Callable[[], object]
    update_compiled: Callable[[], object] | None = None


def prepare(config: TrainingConfig, *, compiled: bool = False) -> Work:
    """Collect one real rollout to learn from."""
    constants = action_layout(CPU)
    environment = MorphEnvironment(config.environments, config.size, seed=0, device=CPU)
    policy = Tamiyo(environment.observation_size, config.hidden_size, seed=0)
    collector = RolloutCollector(policy, environment, constants, seed=1)
    collected, rewards = collector.collect(lambda: None), collector.environment_rewards
    ppo = PPO(policy, constants, environment.action_masks().choices, config)
    part = config.environments // config.minibatches
    features = torch.randn(config.size.horizon, part, config.hidden_size, requires_grad=True)

    def lstm() -> None:
        for _ in range(config.epochs * config.minibatches):
            hidden, _ = policy.lstm(features)
            hidden.sum().backward()

    def compiled_update() -> Callable[[], object]:
        asked = replace(config, compile=True)
        twin = PPO(copy.deepcopy(policy), constants, environment.action_masks().choices, asked, warn=print)
        return lambda: twin.update(collected.transitions)

    def update(level: TelemetryLevel, checked: Tensor | None = None) -> Tensor:
        return ppo.update(collected.transitions, level, checked)

    packed = {level: update(level, rewards) for level in (TelemetryLevel.NORMAL, TelemetryLevel.OFF)}
    return Work(
        lstm,
        lambda: update(TelemetryLevel.NORMAL, rewards),
        lambda: update(TelemetryLevel.MINIMAL),
        lambda: update(TelemetryLevel.OFF),
        lambda: update(TelemetryLevel.NORMAL),
        lambda: ppo.measure_final(collected.transitions),
        lambda: ppo.payload(packed[TelemetryLevel.NORMAL], TelemetryLevel.NORMAL, {}),
        lambda: ppo.payload(packed[TelemetryLevel.OFF], TelemetryLevel.OFF, {}),
        compiled_update() if compiled else None,
    )


def measure(work: Work, repeats: int) -> dict[str, list[float]]:
    """Milliseconds of processor time of each function, in turn, after two warm-up rounds."""
    measured = {name: function for name, function in work._asdict().items() if function is not None}
    times: dict[str, list[float]] = {name: [] for name in measured}
    for round_ in range(repeats + 2):
        order = list(measured.items())
        for name, function in order if round_ % 2 else reversed(order):
            began = time.thread_time()
            function()
            if round_ >= 2:
                times[name].append((time.thread_time() - began) * 1000.0)
    return times


class _Operations(TorchDispatchMode):
    """Counts operations, each of which is about one kernel on a CUDA device, except for views."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def operations(work: Work) -> dict[str, int]:
    """The number of operations of each update that is not compiled."""
    counts = {}
    for name, function in work._asdict().items():
        if name.startswith("update") and name != "update_compiled":
            with _Operations() as mode:
                function()
            counts[f"{name}_operations"] = mode.count
    return counts


class Ratio(NamedTuple):
    """The median of the ratios within each round, so that the slowdown of a whole round cancels; and their
    quartiles."""

    median: float
    low: float
    high: float


def ratio(these: list[float], those: list[float]) -> Ratio:
    """Compare the times of the same rounds."""
    ratios = [one / other for one, other in zip(these, those, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4)
    return Ratio(median, low, high)


def normal_over_off(times: dict[str, list[float]]) -> dict[str, float]:
    """What NORMAL telemetry costs, including the metrics that are computed on the host."""
    normal, off, unchecked = (
        [update + host for update, host in zip(times[one], times[other], strict=True)]
        for one, other in (("update", "host"), ("update_off", "host_off"), ("update_unchecked", "host"))
    )
    checks = ratio(normal, unchecked)
    return {f"normal_over_off_{name}": value for name, value in ratio(normal, off)._asdict().items()} | {
        "checks_of_rewards_median": checks.median
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--minibatches", type=int, default=1)
    parser.add_argument("--environments", type=int, default=64)
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--compile", action="store_true", help="measure a compiled update, too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = TrainingConfig(
        environments=arguments.environments,
        hidden_size=arguments.hidden_size,
        minibatches=arguments.minibatches,
        target_kl=0.0,
    )
    work = prepare(config, compiled=arguments.compile)
    times = measure(work, arguments.repeats)
    others = [name for name in times if name == "lstm" or name.startswith("update_")]
    result = {
        "torch": torch.__version__,
        "load": os.getloadavg()[0],
        **vars(arguments),
        **{f"{name}_min_ms": min(values) for name, values in times.items()},
        **{f"{name}_median_ms": statistics.median(values) for name, values in times.items()},
        **{f"min_ratio_to_{name}": min(times["update"]) / min(times[name]) for name in others},
        **{f"median_ratio_to_{name}": ratio(times["update"], times[name]).median for name in others},
        **normal_over_off(times),
        **operations(work),
    }
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    for name, value in result.items():
        print(f"{name:<32} {value:.3f}" if isinstance(value, float) else f"{name:<32} {value}")


if __name__ == "__main__":
    main()
