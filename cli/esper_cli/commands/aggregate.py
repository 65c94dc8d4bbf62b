"""`esper aggregate`: the aggregator in the foreground."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from esper_aggregator.foreground import AggregatorSettings, serve_until_stopped
from esper_bus import paths
from esper_bus.host.process_logging import configure_logging
from esper_cli.options.command import Command
from esper_cli.options.option import LogJson, Option, RunsDir
from esper_cli.options.thresholds_option import THRESHOLDS, given_thresholds

THRESHOLDS_OF_ALL = replace(
    THRESHOLDS, help="TOML file whose bounds replace those of all runs and of the catalogue"
)


@dataclass(frozen=True, kw_only=True)
class AggregateOptions:
    """Run the aggregator of a runs directory in the foreground.

    `esper ppo` starts one by itself; run it by hand to accept trainers and screens of other machines.
    """

    runs_dir: RunsDir = field(default_factory=paths.default_runs_dir)
    listen: Annotated[
        str | None,
        Option(
            "tcp://HOST:PORT to listen there in addition to the socket of the runs directory, or "
            "ipc:///DIRECTORY to use that socket instead, which clients then have to name",
            "connections",
            metavar="URL",
        ),
    ] = None
    server_keys: Annotated[
        Path | None,
        Option(
            "key directory made by `esper keys init`, required to listen beyond this machine; only its "
            "clients are admitted over tcp",
            "connections",
            metavar="DIR",
            deprecated="--keys",
        ),
    ] = None
    idle_exit: Annotated[
        float | None,
        Option(
            "exit once no trainer and no screen has been connected for this long (default: never)",
            "connections",
            metavar="SECONDS",
            minimum=0,
        ),
    ] = None
    thresholds: Annotated[Path | None, THRESHOLDS_OF_ALL] = None
    log_json: LogJson = False


def run(options: AggregateOptions) -> int:
    """Serve until SIGINT or SIGTERM."""
    configure_logging(json=options.log_json)
    settings = AggregatorSettings(
        runs_dir=options.runs_dir,
        listen=options.listen,
        keys=options.server_keys,
        idle_exit_s=options.idle_exit,
        thresholds=given_thresholds(options.thresholds),
    )
    serve_until_stopped(settings)
    return 0


COMMAND = Command(AggregateOptions, run)
