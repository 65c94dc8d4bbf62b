"""The options of a training run on a command line, read without importing torch."""

import argparse
import time
from pathlib import Path

from esper_bus import layout
from esper_bus.keys import ClientKeys, load_client_keys
from esper_trainer.config import TrainingConfig
from esper_trainer.environment.presets import PRESETS

_DEFAULTS = TrainingConfig()


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what may be said about a training run and about where it is recorded."""
    training = parser.add_argument_group("training")
    for option, field, words in (
        ("--episodes", "episodes", "PPO updates; each uses one episode of every environment"),
        ("--envs", "environments", "environments that are trained side by side"),
        ("--seed", "seed", "decides everything that is drawn"),
        ("--threads", "threads", "threads on the CPU; 0 takes up to two and leaves a core to the others"),
    ):
        training.add_argument(
            option,
            type=int,
            metavar="N",
            default=getattr(_DEFAULTS, field),
            help=f"{words} (default: %(default)s)",
        )
    training.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        default=_DEFAULTS.preset,
        help="how much real training one environment step buys (default: %(default)s)",
    )
    training.add_argument(
        "--device", default=_DEFAULTS.device, help="cpu, cuda or cuda:N (default: %(default)s)"
    )
    _add_recording_arguments(parser)


def _add_recording_arguments(parser: argparse.ArgumentParser) -> None:
    recording = parser.add_argument_group("recording")
    recording.add_argument(
        "--runs-dir",
        type=Path,
        default=layout.default_runs_dir(),
        help="where runs are kept (default: %(default)s)",
    )
    recording.add_argument("--name", help="name of the run (default: its preset and the time)")
    recording.add_argument(
        "--aggregator",
        metavar="URL",
        help="ipc:///directory or tcp://HOST:PORT (default: that of the runs directory)",
    )
    recording.add_argument(
        "--keys",
        type=Path,
        metavar="FILE",
        default=layout.default_keys(),
        help="your key, made by `esper keys add` where the aggregator runs (needed beyond this machine)",
    )


def config_from(arguments: argparse.Namespace) -> TrainingConfig:
    """The settings that were asked for. Raises `ConfigError` if they cannot work."""
    return TrainingConfig(
        episodes=arguments.episodes,
        environments=arguments.envs,
        preset=arguments.preset,
        device=arguments.device,
        seed=arguments.seed,
        threads=arguments.threads,
    )


def run_name(arguments: argparse.Namespace) -> str:
    """The name of the run: the one that was asked for, or the preset and the time."""
    return arguments.name or f"{arguments.preset}-{time.strftime('%Y%m%d-%H%M%S')}"


def endpoints_of(arguments: argparse.Namespace) -> layout.Endpoints:
    """Where the aggregator is. Raises `BusError` for a URL that cannot be."""
    if arguments.aggregator:
        return layout.parse(arguments.aggregator, keyed=arguments.keys is not None)
    return layout.for_runs_dir(arguments.runs_dir)


def ingest_endpoint(arguments: argparse.Namespace) -> str:
    """Where events are sent to. Raises `BusError` for a URL that cannot be."""
    return endpoints_of(arguments).ingest


def client_keys(arguments: argparse.Namespace) -> ClientKeys | None:
    """The key that was named, None for none. Raises `BusError` if it is no good."""
    return load_client_keys(arguments.keys) if arguments.keys is not None else None
