"""The options of a training, shared by `esper ppo` and the processes that it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from esper_bus import paths
from esper_cli.options.option import (
    AGGREGATOR_URL,
    ClientKey,
    Option,
    RunsDir,
    SettingsOf,
    default_client_key,
)
from esper_schemas.errors import InvalidArgument
from esper_schemas.settings import SettingValue
from esper_trainer.config import TrainingConfig
from esper_trainer.request import PATIENCE_S, TrainingRequest


def _spool_quota(text: str) -> int:
    try:
        return paths.spool_quota(text, "--spool-quota")
    except InvalidArgument:
        raise ValueError(f"must be at least 16 MiB, written as 500M or 4G, not {text!r}") from None


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The settings of a training, and where it is recorded.

    settings: those that are given, by their names in `TrainingConfig`; the others keep their defaults, or
    the values of the run that is resumed. profile: empty for a directory within that of the run.
    """

    settings: Annotated[Mapping[str, SettingValue], SettingsOf(TrainingConfig)] = field(default_factory=dict)
    runs_dir: RunsDir = field(default_factory=paths.default_runs_dir)
    name: Annotated[
        str | None,
        Option("name of the new run (default: the preset and the time)", "recording", metavar="NAME"),
    ] = None
    resume: Annotated[
        str | None, Option("resume a run from its last checkpoint", "recording", metavar="NAME")
    ] = None
    profile: Annotated[
        str | None,
        Option(
            "trace some updates with torch.profiler (default DIR: profile, in the directory of the run)",
            "recording",
            metavar="DIR",
            const="",
        ),
    ] = None
    spool_quota: Annotated[
        int | None,
        Option(
            "disk space for events that no aggregator has acknowledged, such as 500M or 4G "
            "(default: $ESPER_SPOOL_QUOTA or 2G)",
            "recording",
            metavar="SIZE",
            parse=_spool_quota,
        ),
    ] = None
    thresholds: Annotated[
        Path | None,
        Option(
            "TOML file with bounds by which the run is judged; recorded with it", "recording", metavar="FILE"
        ),
    ] = None
    aggregator: Annotated[
        str | None,
        replace(AGGREGATOR_URL, help=f"{AGGREGATOR_URL.help} (default: the one of the runs directory)"),
    ] = None
    keys: ClientKey = field(default_factory=default_client_key)
    patience: Annotated[
        float,
        Option(
            "how long another training process may be silent before it counts as lost",
            "processes",
            metavar="SECONDS",
            minimum=1,
            maximum=86_400,
        ),
    ] = PATIENCE_S

    def __post_init__(self) -> None:
        if self.name and self.resume:
            raise InvalidArgument(
                "--name is for a new run and --resume for an existing one; give one of them"
            )
        if not self.resume:
            TrainingConfig(**self.settings)  # type: ignore[arg-type]
        self.request().thresholds_text()  # a mistake is reported before there is a run

    def request(self) -> TrainingRequest:
        """The training that these options ask for."""
        return TrainingRequest(
            settings=self.settings,
            runs_dir=self.runs_dir,
            name=self.resume or self.name,
            resume=self.resume is not None,
            aggregator=self.aggregator,
            keys=self.keys,
            patience_s=self.patience,
            spool_quota=self.spool_quota,
            thresholds=self.thresholds,
            profile=self.profile is not None,
            profile_dir=Path(self.profile) if self.profile else None,
        )
