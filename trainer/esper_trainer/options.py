"""The options of a training run on a command line, read without importing torch."""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from esper_bus import addresses, paths
from esper_trainer.config import (
    PRECISIONS,
    SCHEDULES,
    TELEMETRY,
    VALUE_NORMALISATIONS,
    Setting,
    TrainingConfig,
)
from esper_trainer.environments.morph.presets import GATES, PRESETS
from esper_trainer.request import PATIENCE_S, TrainingRequest

_DEFAULTS = TrainingConfig()


class _Option(NamedTuple):
    """An option that gives a setting its value; options that are not given are None."""

    name: str
    field: str
    words: str
    choices: tuple[str, ...] | None = None


_OPTIONS = (
    _Option("--episodes", "episodes", "PPO updates; each uses one episode of every environment"),
    _Option("--envs", "environments", "environments that are trained side by side"),
    _Option("--preset", "preset", "how much real training one environment step buys", tuple(PRESETS)),
    _Option("--gates", "gates", "what a seed has to show before it may move on", tuple(GATES)),
    _Option("--device", "device", "cpu, cuda or cuda:INDEX"),
    _Option("--seed", "seed", "decides everything that is drawn"),
    _Option("--threads", "threads", "threads on the CPU; 0 takes up to two and leaves a core to the others"),
    _Option("--hidden-size", "hidden_size", "width of the policy's features and of its LSTM"),
    _Option("--epochs", "epochs", "passes over a rollout per update"),
    _Option("--minibatches", "minibatches", "parts that the environments are cut into for an optimiser step"),
    _Option("--learning-rate", "learning_rate", "Adam's step size"),
    _Option("--learning-rate-schedule", "learning_rate_schedule", "how it falls over the run", SCHEDULES),
    _Option("--learning-rate-final", "learning_rate_final", "share of it that a falling schedule ends with"),
    _Option("--warmup-updates", "warmup_updates", "updates over which the learning rate rises"),
    _Option("--adam-epsilon", "adam_epsilon", "Adam's denominator floor"),
    _Option("--max-grad-norm", "max_grad_norm", "norm that gradients are scaled down to"),
    _Option("--gamma", "gamma", "discount per environment step"),
    _Option("--gae-lambda", "gae_lambda", "how far advantages look past the critic"),
    _Option("--clip-range", "clip_range", "how far a ratio may move before its surrogate is clipped"),
    _Option("--target-kl", "target_kl", "an update stops beyond 1.5 times this KL divergence; 0: never"),
    _Option("--value-coefficient", "value_coefficient", "weight of the value loss"),
    _Option("--value-clip", "value_clip", "how far a value may move, in units of return; 0: any"),
    _Option("--entropy-coefficient", "entropy_coefficient", "weight of the entropy bonus"),
    _Option("--entropy-schedule", "entropy_schedule", "how that falls over the run", SCHEDULES),
    _Option("--entropy-final", "entropy_final", "share of it that a falling schedule ends with"),
    _Option(
        "--value-normalisation",
        "value_normalisation",
        "scale of what the critic learns",
        VALUE_NORMALISATIONS,
    ),
    _Option(
        "--precision", "precision", "of the policy's matrix products, but for the LSTM's on CUDA", PRECISIONS
    ),
    _Option("--telemetry", "telemetry", "how much updates measure; NaN is counted even when off", TELEMETRY),
    _Option("--checkpoint-every", "checkpoint_every", "updates between checkpoints; 0: only at the end"),
)

_FLAGS = (
    ("--no-capture", "capture", False, "launch every kernel from the host, instead of replaying CUDA graphs"),
    ("--compile", "compile", True, "compile the pointwise part of an update with torch.compile"),
)
_RECORDING = (
    "--runs-dir", "--name", "--resume", "--aggregator", "--keys", "--patience", "--profile", "--spool-quota",
)  # fmt: skip


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what may be said about a training run and about where it is recorded."""
    training = parser.add_argument_group("training")
    for option in _OPTIONS:
        default = getattr(_DEFAULTS, option.field)
        metavar = "DEVICE" if option.field == "device" else "N"
        shape: dict[str, Any] = {"choices": option.choices} if option.choices else {"metavar": metavar}
        training.add_argument(
            option.name,
            dest=option.field,
            type=type(default),
            help=f"{option.words} (default: {default})",
            **shape,
        )
    for name, field, value, words in _FLAGS:
        training.add_argument(name, dest=field, action="store_const", const=value, help=words)
    _add_recording_arguments(parser)


def _add_recording_arguments(parser: argparse.ArgumentParser) -> None:
    recording = parser.add_argument_group("recording")
    recording.add_argument(
        "--runs-dir",
        type=Path,
        default=paths.default_runs_dir(),
        help="where runs are kept (default: %(default)s)",
    )
    recording.add_argument(
        "--profile",
        nargs="?",
        const="",
        metavar="DIR",
        help="trace a few updates with torch.profiler into DIR (default: profile, in the run's directory)",
    )
    name = recording.add_mutually_exclusive_group()
    name.add_argument("--name", help="name of the run (default: its preset and the time)")
    name.add_argument("--resume", metavar="NAME", help="go on with a run from its last checkpoint")
    recording.add_argument(
        "--aggregator",
        metavar="URL",
        help="ipc:///directory or tcp://HOST:PORT (default: that of the runs directory)",
    )
    recording.add_argument(
        "--patience",
        type=_seconds,
        metavar="SECONDS",
        default=PATIENCE_S,
        help="how long one of several processes may say nothing (default: %(default)g)",
    )
    recording.add_argument(
        "--spool-quota",
        metavar="SIZE",
        help="disk for the events of a process that no aggregator has yet, as 500M or 4G "
        "(default: $ESPER_SPOOL_QUOTA or 2 GiB)",
    )
    recording.add_argument(
        "--keys",
        type=Path,
        metavar="FILE",
        default=addresses.default_keys(),
        help="your key, made by `esper keys add` where the aggregator runs (needed beyond this machine)",
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= 86_400:
        raise ValueError
    return seconds


def command_line(arguments: argparse.Namespace) -> list[str]:
    """The options that say to another process what these arguments say."""
    values = {option.name: getattr(arguments, option.field) for option in _OPTIONS}
    values |= {option: getattr(arguments, option[2:].replace("-", "_")) for option in _RECORDING}
    if arguments.resume:
        del values["--name"]  # the same, and not allowed beside it
    given = [f"{option}={value}" for option, value in values.items() if value is not None]
    return given + [name for name, field, _, _ in _FLAGS if getattr(arguments, field) is not None]


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, by their names in `TrainingConfig`."""
    fields = [*(option.field for option in _OPTIONS), *(field for _, field, _, _ in _FLAGS)]
    values: dict[str, Setting] = {field: getattr(arguments, field) for field in fields}
    return {field: value for field, value in values.items() if value is not None}


def request_from(arguments: argparse.Namespace) -> TrainingRequest:
    """What was asked for. Raises `InvalidArgument` for an invalid quota."""
    quota, profile = arguments.spool_quota, arguments.profile
    return TrainingRequest(
        settings=given_settings(arguments),
        runs_dir=arguments.runs_dir,
        name=arguments.resume or arguments.name,
        resume=arguments.resume is not None,
        aggregator=arguments.aggregator,
        keys=arguments.keys,
        patience_s=arguments.patience,
        spool_quota=None if quota is None else paths.spool_quota(quota, "--spool-quota"),
        profile=profile is not None,
        profile_dir=Path(profile) if profile else None,
    )
