"""`esper baseline`: what scripted policies return, to measure learning against."""

import argparse
import importlib.util
import json
import statistics
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from esper_cli.output.command_failure import CommandError
from esper_trainer.config import TrainingConfig
from esper_trainer.environments.morph.presets import DEFAULT_PRESET, PRESETS

if TYPE_CHECKING:
    from esper_trainer.environments.morph.scripted_baselines import BaselineResult

_COLUMNS = f"{'policy':<10}{'mean return':>12}{'± seeds':>9}{'± episodes':>12}{'accuracy':>10}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `esper baseline`."""
    for option, default, words in (
        ("--envs", 64, "environments per seed, each plays one episode"),
        ("--seeds", 5, "seeds, counted from 0"),
    ):
        parser.add_argument(
            option, type=int, default=default, metavar="N", help=f"{words} (default: {default})"
        )
    parser.add_argument("--preset", choices=tuple(PRESETS), default=DEFAULT_PRESET)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: cpu)")
    parser.add_argument("--json", action="store_true", help="print every seed's result as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Play every scripted policy on every seed and print what they return."""
    if importlib.util.find_spec("torch") is None:
        raise CommandError("baselines need torch; install it with: pip install 'esper-lite[trainer]'")
    if arguments.seeds < 1:
        raise CommandError("there have to be at least 1 --seeds; choose another number")
    try:
        config = TrainingConfig(environments=arguments.envs, preset=arguments.preset, device=arguments.device)
        results = _play(config, arguments.seeds)
    except RuntimeError as error:  # torch's, where memory ends
        reason = str(error).splitlines()[0]
        raise CommandError(f"baselines cannot be played ({reason}); choose fewer --envs") from error
    _print(results, as_json=arguments.json)
    return 0


def _play(config: TrainingConfig, seeds: int) -> "dict[str, list[BaselineResult]]":
    from esper_trainer.device.devices import resolve_device, set_thread_count
    from esper_trainer.environments.morph.scripted_baselines import BASELINES, run_baseline

    set_thread_count(config.torch_threads)
    device = resolve_device(config.device)
    return {
        name: [run_baseline(name, config.environments, config.size, seed, device) for seed in range(seeds)]
        for name in BASELINES
    }


def _print(results: "dict[str, list[BaselineResult]]", *, as_json: bool) -> None:
    if as_json:
        found = {name: [asdict(result) for result in by_seed] for name, by_seed in results.items()}
        json.dump(found, sys.stdout, indent=2)
        print()
        return
    print(_COLUMNS)
    for name, by_seed in results.items():
        returns = [result.mean_return for result in by_seed]
        spread = statistics.pstdev(returns)
        within = statistics.fmean(result.return_deviation for result in by_seed)
        accuracy = statistics.fmean(result.mean_accuracy for result in by_seed)
        print(f"{name:<10}{statistics.fmean(returns):>12.3f}{spread:>9.3f}{within:>12.3f}{accuracy:>10.3f}")
