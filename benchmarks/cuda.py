"""How fast a rollout and an update are on a CUDA device, launched from the host and replayed as graphs.

Speeds are compared with those of the device, measured in the same run: an update with the rate of a large
matrix product, a rollout with the rate of a large copy (it is bound by memory traffic; every operation is
counted with what it reads and writes, as if nothing stayed in a cache).

    python -m benchmarks.cuda [--environments 256 1024 4096] [--hidden-size 512] [--preset lite] [--json]
"""

import argparse
import json
import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.config import TrainingConfig
from esper_trainer.device.cuda_graphs import WARM_UP
from esper_trainer.environments.morph.presets import PRESETS
from esper_trainer.learner.learner import Learner
from esper_trainer.model.action_layout import LOGIT_COUNT

NORMAL = TelemetryLevel.NORMAL


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """The median time of one call on the device."""
    times = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def matrix_rate(device: torch.device) -> float:
    """FLOP/s of a large float32 matrix product."""
    size = 8192
    one, other = torch.randn(2, size, size, device=device)
    one @ other
    return 2 * size**3 / (milliseconds(lambda: one @ other, 10) / 1e3)


def copy_rate(device: torch.device) -> float:
    """Bytes per second that a large copy reads and writes."""
    source = torch.randn(1 << 28, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / (milliseconds(lambda: target.copy_(source), 10) / 1e3)


def update_flops(config: TrainingConfig, observations: int) -> float:
    """FLOP of the matrix products of one update; the backward pass costs twice the forward pass."""
    hidden, steps = config.hidden_size, config.environments * config.size.horizon
    per_step = 2 * hidden * (observations + 8 * hidden + LOGIT_COUNT + 1)
    return 3.0 * config.epochs * steps * per_step


class _Traffic(TorchDispatchMode):
    """Adds up the bytes of all tensors that operations get and return, except for views."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.bytes += sum(_bytes(part) for part in (*args, *(kwargs or {}).values(), result))
        return result


def _bytes(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        return value.nbytes
    return sum(map(_bytes, value)) if isinstance(value, (list, tuple)) else 0


def step_traffic(learner: Learner) -> int:
    """Bytes of one step of a rollout."""
    learner.collector.reset()
    with _Traffic() as traffic:
        learner.collector.step()
    return traffic.bytes


def measure(config: TrainingConfig, device: torch.device) -> dict[str, float]:
    """Milliseconds of a rollout and of an update, and the memory traffic of a step."""
    warnings: list[str] = []
    learner = Learner(config, device, warn=warnings.append)
    traffic = step_traffic(learner)
    for _ in range(WARM_UP + 1):
        learner.collector.collect(lambda: None)
        learner.update(NORMAL)
    for reason in warnings:
        print(reason)
    return {
        "rollout_ms": milliseconds(lambda: learner.collector.collect(lambda: None), 5),
        "update_ms": milliseconds(lambda: learner.update(NORMAL), 10),
        "update_off_ms": _off_ms(learner),
        "traffic_per_step": traffic,
    }


def _off_ms(learner: Learner) -> float:
    for _ in range(WARM_UP + 1):
        learner.update(TelemetryLevel.OFF)
    return milliseconds(lambda: learner.update(TelemetryLevel.OFF), 10)


def compare(config: TrainingConfig, device: torch.device, rates: tuple[float, float]) -> dict[str, float]:
    """One row of the table."""
    replayed = measure(config, device)
    launched = measure(TrainingConfig(**{**vars(config), "capture": False}), device)
    steps = config.environments * config.size.horizon
    flops = update_flops(config, 116)
    traffic = replayed["traffic_per_step"] * config.size.horizon
    return {
        "environments": config.environments,
        "steps_per_second": steps / replayed["rollout_ms"] * 1e3,
        "steps_per_second_launched": steps / launched["rollout_ms"] * 1e3,
        "rollout_share_of_copy_rate": traffic / (replayed["rollout_ms"] / 1e3) / rates[1],
        "update_ms": replayed["update_ms"],
        "update_launched_ms": launched["update_ms"],
        "launched_over_replayed": launched["update_ms"] / replayed["update_ms"],
        "normal_over_off": replayed["update_ms"] / replayed["update_off_ms"],
        "update_share_of_matrix_rate": flops / (replayed["update_ms"] / 1e3) / rates[0],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environments", type=int, nargs="+", default=[256, 1024, 4096])
    parser.add_argument("--hidden-size", type=int, default=512)
    parser.add_argument("--preset", choices=list(PRESETS), default="lite")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("This machine has no CUDA device that torch can use, so that there is nothing to measure.")
        return
    device = torch.device("cuda", torch.cuda.current_device())
    rates = matrix_rate(device), copy_rate(device)
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device),
        "torch": torch.__version__,
        "matrix_tflops": rates[0] / 1e12,
        "copy_gb_per_second": rates[1] / 1e9,
        "rows": [
            compare(
                TrainingConfig(
                    environments=count,
                    hidden_size=arguments.hidden_size,
                    preset=arguments.preset,
                    device="cuda",
                    target_kl=0.0,
                ),
                device,
                rates,
            )
            for count in arguments.environments
        ],
    }
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    rows = result.pop("rows")
    print(", ".join(f"{name} {value}" for name, value in result.items()))
    print("| " + " | ".join(rows[0]) + " |\n|" + "--:|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(f"{value:,.3g}" for value in row.values()) + " |")


if __name__ == "__main__":
    main()
