"""The cost of `Telemetry.log` for the training thread, beside `emit` of a payload with the same metrics.

Between two calls the thread sleeps, as in `benchmarks.emit`; all are measured in turn. `python -m
benchmarks.log` logs 15 scalars of an update under the names of Stable-Baselines3, and 2,000 scalars of a
run's own as floats, scalars of NumPy and tensors of PyTorch, where these are installed.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import esper_lite
from esper_lite import PPOUpdatePayload, Telemetry

NAMES = {
    "policy_loss": "train/policy_gradient_loss",
    "value_loss": "train/value_loss",
    "entropy": "train/entropy_loss",
    "kl_divergence": "train/approx_kl",
    "clip_fraction": "train/clip_fraction",
    "explained_variance": "train/explained_variance",
    "learning_rate": "train/learning_rate",
    "grad_norm": "train/grad_norm",
    "advantage_mean": "train/advantage_mean",
    "advantage_std": "train/advantage_std",
    "return_mean": "train/return_mean",
    "return_std": "train/return_std",
    "value_mean": "train/value_mean",
    "value_std": "train/value_std",
    "log_prob_min": "train/log_prob_min",
}
"""Fields of a payload and names as long as those that libraries log for them."""

MANY = 2000
Call = Callable[[], None]


def main() -> None:
    """Measure and print."""
    options = _options()
    with tempfile.TemporaryDirectory() as name:
        with esper_lite.connect("benchmark", runs_dir=Path(name), aggregator=False) as telemetry:
            times = _paced(_calls(telemetry), options.calls, options.interval_ms / 1000)
        report = telemetry.stats
    assert (report.dropped, report.left_out) == (0, 0), report
    emitted = median(times["emit, payload of 15"])
    print(f"microseconds, one call every {options.interval_ms:g} ms, {options.calls} calls each")
    print(f"{'':28}{'median':>10}{'p99':>10}{'x emit':>10}")
    for what, values in times.items():
        middle = median(values)
        p99 = sorted(values)[int(0.99 * len(values))]
        print(f"{what:28}{middle / 1e3:10.1f}{p99 / 1e3:10.1f}{middle / emitted:10.2f}")


def _calls(telemetry: Telemetry) -> dict[str, Callable[[random.Random, int], Call]]:
    """For each kind of call, what prepares it, with values that differ each time."""

    def emit(dice: random.Random, step: int) -> Call:
        values = {name: dice.random() for name in NAMES}
        return lambda: telemetry.emit(PPOUpdatePayload(**values))

    def log(dice: random.Random, step: int) -> Call:
        values = {name: dice.random() for name in NAMES.values()}
        return lambda: telemetry.log(values, step=step)

    def many(convert: Callable[[float], Any]) -> Callable[[random.Random, int], Call]:
        def prepare(dice: random.Random, step: int) -> Call:
            values = {f"own/metric_{n:04}": convert(dice.random()) for n in range(MANY)}
            return lambda: telemetry.log(values, step=step)

        return prepare

    calls = {"emit, payload of 15": emit, "log, 15 scalars": log, f"log, {MANY} floats": many(float)}
    for what, library, convert in (("NumPy scalars", "numpy", "float32"), ("CPU tensors", "torch", "tensor")):
        try:
            calls[f"log, {MANY} {what}"] = many(getattr(import_module(library), convert))
        except ImportError as error:
            print(f"without {what}: {error}")
    return calls


def _paced(
    calls: dict[str, Callable[[random.Random, int], Call]], count: int, interval_s: float
) -> dict[str, list[int]]:
    """Make each kind of call in turn, one per interval; return their times in nanoseconds."""
    dice = random.Random(0)
    times: dict[str, list[int]] = {name: [] for name in calls}
    for step in range(count):
        names = list(calls)
        dice.shuffle(names)
        for name in names:
            call = calls[name](dice, step)
            time.sleep(interval_s)
            begin = time.perf_counter_ns()
            call()
            times[name].append(time.perf_counter_ns() - begin)
    return times


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=300, help="calls of each kind")
    parser.add_argument("--interval-ms", type=float, default=5.0, help="pause before each call")
    return parser.parse_args()


if __name__ == "__main__":
    main()
