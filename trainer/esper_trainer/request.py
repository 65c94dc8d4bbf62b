"""A requested training: its settings, the place of its run, and the aggregator of its events."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from esper_bus import addresses
from esper_bus.auth.keys import ClientKeys, client_keys_for
from esper_lite.thresholds_file import thresholds_of_file
from esper_schemas.settings import SettingValue
from esper_trainer.config import TrainingConfig

PATIENCE_S = 300.0
"""Seconds of silence after which one of several training processes counts as lost."""


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """A requested training.

    settings: the settings that were given, by their names in `TrainingConfig`; a new run takes the defaults
    for the others, a resumed run those of its checkpoint.
    name: the name of the run, None for one made of the preset and the time. resume: continue that run.
    aggregator: the URL of an aggregator, None for the one of `runs_dir`. keys: a client's key file for tcp.
    patience_s: seconds of silence after which one of several processes counts as lost.
    spool_quota: the bytes that a spool may take, None for the default.
    thresholds: a TOML file with bounds by which the run is judged; None for those that the run has.
    profile: whether to trace some updates; into `profile_dir`, or else `profile` in the run's directory.
    """

    runs_dir: Path
    settings: Mapping[str, SettingValue] = field(default_factory=dict)
    name: str | None = None
    resume: bool = False
    aggregator: str | None = None
    keys: Path | None = None
    patience_s: float = PATIENCE_S
    spool_quota: int | None = None
    thresholds: Path | None = None
    profile: bool = False
    profile_dir: Path | None = None

    def config(self) -> TrainingConfig:
        """The settings of a new run. Raises `InvalidArgument` for settings that cannot work."""
        return TrainingConfig(**self.settings)  # type: ignore[arg-type]

    def run_name(self) -> str:
        """The name of the run; without a given one, the preset and the time."""
        return self.name or f"{self.config().preset}-{time.strftime('%Y%m%d-%H%M%S')}"

    def thresholds_text(self) -> str:
        """The checked text of the thresholds; empty without any. Raises `InvalidArgument` for a mistake."""
        return "" if self.thresholds is None else thresholds_of_file(self.thresholds)

    def traces_dir(self, run_dir: Path) -> Path | None:
        """The directory for the profiler's traces, None without a profile."""
        return (self.profile_dir or run_dir / "profile") if self.profile else None

    def endpoints(self) -> addresses.Endpoints:
        """The addresses of the aggregator. Raises `InvalidArgument` for a malformed URL."""
        if self.aggregator:
            return addresses.parse(self.aggregator, keyed=self.keys is not None)
        return addresses.for_runs_dir(self.runs_dir)

    def client_keys(self) -> ClientKeys | None:
        """The client's key, None over ipc. Raises `EsperError` if the file cannot be used."""
        return client_keys_for(self.endpoints().ingest, self.keys)
