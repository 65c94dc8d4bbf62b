"""The options of a training run on a command line, read without importing torch."""

import argparse
from collections.abc import Callable
from pathlib import Path

from esper_bus import addresses, paths
from esper_schemas.settings import SettingField, SettingValue, setting_fields
from esper_trainer.config import TrainingConfig
from esper_trainer.request import PATIENCE_S, TrainingRequest

_SETTINGS = setting_fields(TrainingConfig)
_RECORDING = (
    "--runs-dir", "--name", "--resume", "--aggregator", "--keys", "--patience", "--profile", "--spool-quota",
)  # fmt: skip


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what may be said about a training run and about where it is recorded."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    for field in _SETTINGS.values():
        group = field.setting.group
        groups[group] = groups.get(group) or parser.add_argument_group(group)
        _add_setting(groups[group], field)
    _add_recording_arguments(parser)


def _add_setting(group: "argparse._ArgumentGroup", field: SettingField) -> None:
    """An option without a default of its own: those that are not given are None."""
    if field.kind is bool:
        group.add_argument(
            _option(field),
            dest=field.name,
            action="store_const",
            const=not field.default,
            help=field.setting.help,
        )
        return
    choices = "{" + ",".join(field.setting.choices) + "}" if field.setting.choices else "N"
    group.add_argument(
        _option(field),
        dest=field.name,
        type=_parser(field),
        metavar=field.setting.metavar or choices,
        help=f"{field.setting.help} (default: {field.default})",
    )


def _option(field: SettingField) -> str:
    name = field.name.replace("_", "-")
    return field.setting.option or (f"--no-{name}" if field.default is True else f"--{name}")


def _parser(field: SettingField) -> Callable[[str], SettingValue]:
    def parse(text: str) -> SettingValue:
        try:
            value: SettingValue = field.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return value

    return parse


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
    settings = given_settings(arguments)
    values = {_option(_SETTINGS[name]): value for name, value in settings.items()}
    values |= {option: getattr(arguments, option[2:].replace("-", "_")) for option in _RECORDING}
    if arguments.resume:
        del values["--name"]  # the same, and not allowed beside it
    flags = [option for option, value in values.items() if isinstance(value, bool)]
    return flags + [
        f"{option}={value}" for option, value in values.items() if value is not None and option not in flags
    ]


def given_settings(arguments: argparse.Namespace) -> dict[str, SettingValue]:
    """The settings that were given, by their names in `TrainingConfig`."""
    values = {name: getattr(arguments, name) for name in _SETTINGS}
    return {name: value for name, value in values.items() if value is not None}


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
