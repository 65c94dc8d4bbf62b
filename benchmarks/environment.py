"""The speed of the environment, and the results of its scripted policies.

    python benchmarks/environment.py [--json] [--preset NAME ...] [--environments N] [--threads T]

Speed is env-steps per second of the whole loop that a rollout needs (observe, legality, step), the
best of several episodes, because another process on the machine can only make one slower.
"""

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass

import torch

from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.presets import PRESETS, Preset
from esper_trainer.environments.morph.scripted_baselines import (
    BASELINES,
    BaselineResult,
    random,
    run_baseline,
)


@dataclass(frozen=True)
class Speed:
    """Env-steps per second of one preset: the loop, and `step` alone."""

    preset: str
    loop: float
    step: float


def measure_speed(preset: Preset, environments: int, device: torch.device, repeats: int) -> Speed:
    """Run `repeats` episodes of a recorded random policy and keep the fastest."""
    actions = record_actions(preset, environments, device)
    environment = MorphEnvironment(environments, preset, seed=0, device=device)
    loop, step = [], []
    for _ in range(repeats):
        loop.append(play(environment, actions, look=True))
        step.append(play(environment, actions, look=False))
    steps = environments * len(actions)
    return Speed(preset.name, steps / min(loop), steps / min(step))


def record_actions(preset: Preset, environments: int, device: torch.device) -> list[torch.Tensor]:
    """The choices of the random policy in one episode."""
    environment = MorphEnvironment(environments, preset, seed=0, device=device)
    generator = torch.Generator(device).manual_seed(0)
    actions = []
    for _ in range(preset.horizon):
        actions.append(random(environment, generator))
        environment.step(actions[-1])
    return actions


def play(environment: MorphEnvironment, actions: list[torch.Tensor], *, look: bool) -> float:
    """Seconds for one episode, without its reset."""
    environment.reset()
    synchronise(environment.device)
    begin = time.perf_counter()
    for action in actions:
        if look:
            environment.observe()
            environment.action_masks()
        environment.step(action)
    synchronise(environment.device)
    return time.perf_counter() - begin


def synchronise(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", nargs="+", choices=list(PRESETS), default=list(PRESETS))
    parser.add_argument("--environments", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=5, help="episodes to time")
    parser.add_argument("--episodes", type=int, default=2, help="episodes per baseline")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser.parse_args()


def print_tables(speeds: list[Speed], baselines: dict[str, list[BaselineResult]]) -> None:
    """Print both results as Markdown tables."""
    print("| preset | env-steps/s, loop | env-steps/s, step alone |\n|---|--:|--:|")
    for speed in speeds:
        print(f"| {speed.preset} | {speed.loop:,.0f} | {speed.step:,.0f} |")
    print("\n| preset | policy | accuracy | return | deviation |\n|---|---|--:|--:|--:|")
    for preset, results in baselines.items():
        for r in results:
            numbers = f"{r.mean_accuracy:.3f} | {r.mean_return:.2f} | {r.return_deviation:.2f}"
            print(f"| {preset} | {r.name} | {numbers} |")


def main() -> None:
    """Measure, then print."""
    options = parse()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    speeds, baselines = [], {}
    for name in options.preset:
        preset = PRESETS[name]
        speeds.append(measure_speed(preset, options.environments, device, options.repeats))
        baselines[name] = [
            run_baseline(policy, options.environments, preset, options.seed, device, options.episodes)
            for policy in BASELINES
        ]
    if not options.json:
        print_tables(speeds, baselines)
        return
    report = {
        "environments": options.environments,
        "threads": options.threads,
        "device": options.device,
        "load_average": os.getloadavg()[0],
        "speed": [asdict(speed) for speed in speeds],
        "baselines": {name: [asdict(r) for r in rows] for name, rows in baselines.items()},
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
