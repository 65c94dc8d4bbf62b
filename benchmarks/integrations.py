"""The time inside the callback of Stable-Baselines3, as a share of a training of at least half a minute.

The environment is CartPole: its steps take microseconds and its episodes are short at first, so that a
callback costs more than in any larger training. The time of `EsperCallback` contains everything that it does
on the training's thread, also as an output of the library's logger; opening the run is included.
`python -m benchmarks.integrations` needs `pip install 'esper-lite[integrations]'`.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

ROLLOUT = 2048
"""Environment steps of a rollout: 8 environments × 256 steps, as in the library's defaults for CartPole."""


class Row(msgspec.Struct, frozen=True):
    """A training, and the time inside the callback; `cpu_share` is of the thread's processor time."""

    what: str
    seconds: float
    env_steps: int
    updates: int
    events: int
    inside_ms: float
    share: float
    cpu_share: float


def main() -> None:
    """Train, measure and print."""
    options = _options()
    try:
        row = _measure(options.seconds, options.environments)
    except ImportError as error:
        print(f"skipped: {error}; pip install 'esper-lite[integrations]'")
        return
    if options.json:
        sys.stdout.buffer.write(msgspec.json.encode([row]) + b"\n")
    else:
        _print(row)


def _measure(seconds: float, environments: int) -> Row:
    """Train until the time is over, with a callback that measures the time inside EsperCallback."""
    ppo: Any = import_module("stable_baselines3").PPO
    vectorised: Any = import_module("stable_baselines3.common.env_util").make_vec_env
    import_module("torch").set_num_threads(1)
    model = ppo(
        "MlpPolicy", vectorised("CartPole-v1", environments, seed=0), n_steps=ROLLOUT // environments,
        batch_size=256, device="cpu", seed=0,
    )  # fmt: skip
    model.learn(ROLLOUT)  # the first update loads parts of torch
    with tempfile.TemporaryDirectory() as directory:
        callback, inside = _timed_callback(seconds, directory)
        begin, begin_cpu = time.perf_counter(), time.thread_time()
        model.learn(10**9, callback=callback)
        elapsed, cpu = time.perf_counter() - begin, time.thread_time() - begin_cpu
        events = sum(1 for _ in import_module("esper_lite").open_run(Path(directory) / "run").records())
    updates = model.num_timesteps // ROLLOUT
    what = f"SB3 PPO, CartPole, {environments} environments"
    shares = (inside[0] / elapsed, inside[1] / cpu)
    return Row(what, elapsed, model.num_timesteps, updates, events, 1000 * inside[0], *shares)


def _timed_callback(seconds: float, directory: str) -> tuple[Any, list[float]]:
    """A callback that stops after `seconds`, and the sums of its wall and CPU times."""
    integration: Any = import_module("esper_lite.integrations.stable_baselines3")
    inside = [0.0, 0.0]

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            begin, begin_cpu = time.perf_counter(), time.thread_time()
            try:
                return method(*arguments, **keywords)
            finally:
                inside[0] += time.perf_counter() - begin
                inside[1] += time.thread_time() - begin_cpu

        return call

    callback = integration.EsperCallback("run", runs_dir=directory, aggregator=False)
    for name in ("_on_training_start", "_on_rollout_start", "_on_rollout_end", "_on_training_end"):
        setattr(callback, name, timed(getattr(callback, name)))
    output = callback._output
    output.write = timed(output.write)
    step, end = timed(callback._on_step), time.perf_counter() + seconds
    callback._on_step = lambda: step() and time.perf_counter() < end
    return callback, inside


def _print(row: Row) -> None:
    print(f"{row.what}: {row.env_steps} steps and {row.updates} updates in {row.seconds:.1f} s")
    print(
        f"{row.events} events; {row.inside_ms:.1f} ms in the callback: {100 * row.share:.2f} % of the time,"
    )
    print(f"{100 * row.cpu_share:.2f} % of the thread's processor time (at most 1 %)")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=35.0, help="how long to train")
    parser.add_argument("--environments", type=int, default=8, help="environments that are stepped together")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
