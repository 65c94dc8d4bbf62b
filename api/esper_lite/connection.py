"""What any training program uses: connect, emit, and leave; everything else is taken care of."""

import logging
import os
import socket
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Literal

import msgspec

from esper_bus.addresses import for_runs_dir, parse
from esper_bus.auth.keys import client_keys_for
from esper_bus.emit.emitter import CLOSE_S, Emitter, EmitterReport, NullEmitter
from esper_bus.names import check_name, file_part
from esper_bus.net.discovery import IDLE_EXIT_S, aggregator_alive, start_aggregator
from esper_bus.paths import RunPaths, default_runs_dir, default_spool_quota
from esper_bus.paths import spool_quota as checked_quota
from esper_bus.rate_limited_log import LogMessage
from esper_bus.store.run_reader import read_records
from esper_schemas.errors import EsperError, RunExists, StorageError
from esper_schemas.events import Event, PPOUpdateCompleted, RunFinished, RunStarted
from esper_schemas.payload import PPOUpdatePayload

Outcome = Literal["completed", "interrupted", "failed"]


class Telemetry:
    """One process's part of a run, from `RunStarted` to `RunFinished`; made by `connect`.

    As a context manager it says by itself how the run ended: completed, interrupted (Ctrl-C) or failed
    (any other exception, with its text). Exceptions pass through.
    """

    def __init__(self, emitter: Emitter | NullEmitter, started: RunStarted, updates: int = 0) -> None:
        self._emitter = emitter
        self._updates = updates
        self._numbering, self._pid = threading.RLock(), os.getpid()
        self._finished = False
        emitter.emit(started)

    @property
    def enabled(self) -> bool:
        """Whether events are recorded; if not, there is no need to measure anything."""
        return isinstance(self._emitter, Emitter)

    @property
    def updates(self) -> int:
        """The number of the newest PPO update of the run, 0 before the first."""
        return self._updates

    @property
    def stats(self) -> EmitterReport:
        """What became of the events so far."""
        return self._emitter.stats

    def emit(self, event: Event | PPOUpdatePayload) -> None:
        """Record an event as it is now, or a payload as the next PPO update. Never blocks, never raises.

        May be called from any thread.
        """
        if isinstance(event, PPOUpdatePayload | PPOUpdateCompleted):
            self._emit_update(event)
            return
        if isinstance(event, RunFinished):
            self._finished = True
        self._emitter.emit(event)

    def _emit_update(self, event: PPOUpdateCompleted | PPOUpdatePayload) -> None:
        if os.getpid() != self._pid:
            return  # a fork records nothing, and the lock that it inherited may never be released
        with self._numbering:
            if isinstance(event, PPOUpdatePayload):
                event = PPOUpdateCompleted(update=self._updates + 1, payload=event)
            self._updates = event.update
            self._emitter.emit(event)

    def close(
        self, outcome: Outcome = "completed", reason: str = "", timeout: float = CLOSE_S
    ) -> EmitterReport:
        """Emit `RunFinished` unless that was done, and wait at most `timeout` seconds for the aggregator.

        What was not acknowledged by then stays in the spool. Further calls do nothing.
        """
        if not self._finished:
            self.emit(RunFinished(outcome=outcome, updates=self._updates, reason=reason))
        return self._emitter.close(timeout)

    def __enter__(self) -> "Telemetry":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(*_how_it_ended(error))


def connect(
    run: str,
    *,
    started: RunStarted | None = None,
    runs_dir: Path | str | None = None,
    aggregator: bool | str | None = None,
    keys: Path | str | None = None,
    producer: str | None = None,
    rank: int = 0,
    world_size: int = 1,
    resume: bool = False,
    spool_quota: int | str | None = None,
    enabled: bool = True,
) -> Telemetry:
    """Record this process's part of a training run in `runs_dir`/`run`, and emit `RunStarted`.

    `started` says what is known about the training; its rank, world size, host, process and version are
    filled in. `runs_dir` is `$ESPER_RUNS_DIR` or `./runs` by default. `aggregator`: by default events
    also go to the aggregator of the runs directory whenever one runs; True starts one if there is none;
    an address (`tcp://127.0.0.1:5556`) names another, and `keys` the file of a key that it accepts over tcp;
    False sends nothing. `producer` names the process, `trainer:RANK` by default. A run that exists is
    refused, unless `resume` says that it goes on: its updates are then counted from `started.resumed_from`,
    or from the last one that was recorded. `spool_quota` bounds what is kept here, in bytes or as `500M`
    (`$ESPER_SPOOL_QUOTA` or 2 GiB by default), at least 16 MiB: the oldest part that was acknowledged makes
    room. `enabled=False` records nothing and touches neither disk nor network.

    Raises `EsperError` for a bad name, address or size, for a run that exists, and where nothing can be
    written.
    """
    started = _filled_in(started or RunStarted(task=run), rank, world_size)
    if not enabled:
        return Telemetry(NullEmitter(), started)
    directory = default_runs_dir() if runs_dir is None else Path(runs_dir)
    run_dir = directory / check_name("run", run)
    name = check_name("producer", producer or _default_producer(run_dir, rank, resume=resume))
    quota = default_spool_quota() if spool_quota is None else checked_quota(str(spool_quota), "spool_quota")
    if not resume:
        _refuse_existing(run_dir, name, world_size)
    updates = _updates_before(run_dir, started) if resume else 0
    ingest = _ingest(directory, aggregator, keyed=keys is not None)
    client = None if keys is None or ingest is None else client_keys_for(ingest, Path(keys))
    emitter = Emitter(run, name, run_dir, ingest, keys=client, spool_quota=quota)
    return Telemetry(emitter, started, updates)


def _filled_in(started: RunStarted, rank: int, world_size: int) -> RunStarted:
    try:
        installed = version("esper-lite")
    except PackageNotFoundError:
        installed = ""
    return msgspec.structs.replace(
        started,
        rank=rank,
        world_size=world_size,
        host=started.host or socket.gethostname(),
        pid=started.pid or os.getpid(),
        version=started.version or installed,
    )


def _default_producer(run_dir: Path, rank: int, *, resume: bool) -> str:
    """The name of a rank. A run of version 0.1.0 goes on under the one of its rank there, `HOST:RANK`."""
    name = f"trainer:{rank}"
    spools = [path.name for path in RunPaths(run_dir).spool_dir.glob("*.mcap")] if resume else []
    if not spools or any(file.startswith(file_part(name)) for file in spools):
        return name
    starts = ((r.producer, r.event) for r in read_records(run_dir) if isinstance(r.event, RunStarted))
    return next((producer for producer, event in starts if event.rank == rank), name)


def _refuse_existing(run_dir: Path, producer: str, world_size: int) -> None:
    """Another rank of the same run may have come first; this producer may not have."""
    paths = RunPaths(run_dir)
    pattern = "*.mcap" if world_size == 1 else f"{file_part(producer)}-{'[0-9a-f]' * 16}.*mcap"
    try:
        exists = any(paths.spool_dir.glob(pattern)) or (world_size == 1 and any(paths.log_dir.glob("*.mcap")))
    except OSError as error:
        raise StorageError(
            f"Cannot look into {run_dir} ({error.strerror}); choose another directory."
        ) from error
    if exists:
        raise RunExists(
            f"There is a run {run_dir.name} in {run_dir.parent} already; choose another name, or pass "
            "resume=True to go on with it."
        )


def _updates_before(run_dir: Path, started: RunStarted) -> int:
    """The update after which the run goes on."""
    if started.resumed_from is not None:
        return started.resumed_from
    try:
        events = (record.event for record in read_records(run_dir))
        return max((e.update for e in events if isinstance(e, PPOUpdateCompleted)), default=0)
    except EsperError:  # there is no such run yet
        return 0


def _ingest(runs_dir: Path, aggregator: bool | str | None, *, keyed: bool) -> str | None:
    if aggregator is False:
        return None
    if isinstance(aggregator, str):
        return parse(aggregator, keyed=keyed).ingest
    if aggregator is True and not aggregator_alive(runs_dir):
        try:
            start_aggregator(runs_dir, IDLE_EXIT_S)
        except EsperError as error:  # a training records by itself
            logging.getLogger("esper.lite").warning(
                LogMessage("recording without an aggregator", reason=str(error))
            )
    return for_runs_dir(runs_dir).ingest


def _how_it_ended(error: BaseException | None) -> tuple[Outcome, str]:
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return "completed", ""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", ""
    return "failed", f"{type(error).__name__}: {error}".removesuffix(": ")
