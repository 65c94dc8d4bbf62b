"""`connect`: how a training program starts to be recorded."""

import logging
import os
import socket
from pathlib import Path

import msgspec

import esper_lite
from esper_bus.addresses import for_runs_dir, parse
from esper_bus.auth.keys import ClientKeys, client_keys_for
from esper_bus.emit.emitter import Emitter, NullEmitter
from esper_bus.host.aggregator_lock import aggregator_running
from esper_bus.names import check_name
from esper_bus.net.aggregator_process import IDLE_EXIT_S, start_aggregator
from esper_bus.paths import default_runs_dir, default_spool_quota
from esper_bus.paths import spool_quota as checked_quota
from esper_bus.rate_limited_log import LogMessage
from esper_lite.existing_run import producer_name, refuse_existing, updates_before
from esper_lite.telemetry import Telemetry
from esper_schemas.errors import EsperError
from esper_schemas.events import RunStarted


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
    """Start recording this process of a training run in `runs_dir`/`run`, and emit `RunStarted`.

    started: what is known about the training; rank, world size, host, process id and version are filled in.
    runs_dir: default `$ESPER_RUNS_DIR`, else `./runs`.
    aggregator: None sends events to the aggregator of `runs_dir` whenever one runs; True also starts one;
    an address such as `tcp://127.0.0.1:5556` names another one; False sends nothing.
    keys: path of a client's key file, for an aggregator over tcp that requires keys.
    producer: name of this process; default `trainer:RANK`.
    rank, world_size: this process and the number of processes that train together in this run.
    resume: continue an existing run, which is refused otherwise. Updates are counted from
    `started.resumed_from`, or else from the last recorded one.
    spool_quota: limit of this process's spool, in bytes or as `500M`, at least 16 MiB; default
    `$ESPER_SPOOL_QUOTA`, else 2 GiB. Acknowledged events are removed first.
    enabled: False records nothing, and touches neither disk nor network.

    Raises `RunExists` for a run that exists, `InvalidArgument` for a name, address or size that cannot be
    used, `StorageError` if the run directory cannot be read or written, and another `EsperError` for a key
    file that cannot be used.
    """
    started = _filled_in(started or RunStarted(task=run), rank, world_size)
    if not enabled:
        return Telemetry(NullEmitter(), started)
    directory = default_runs_dir() if runs_dir is None else Path(runs_dir)
    run_dir = directory / check_name("run", run)
    name = check_name("producer", producer or producer_name(run_dir, rank, resume=resume))
    quota = default_spool_quota() if spool_quota is None else checked_quota(str(spool_quota), "spool_quota")
    updates = _updates_before(run_dir, name, started, resume=resume)
    ingest, client = _aggregator(directory, aggregator, keys)
    return Telemetry(Emitter(run, name, run_dir, ingest, keys=client, spool_quota=quota), started, updates)


def _filled_in(started: RunStarted, rank: int, world_size: int) -> RunStarted:
    return msgspec.structs.replace(
        started,
        rank=rank,
        world_size=world_size,
        host=started.host or socket.gethostname(),
        pid=started.pid or os.getpid(),
        version=started.version or esper_lite.__version__,
    )


def _updates_before(run_dir: Path, name: str, started: RunStarted, *, resume: bool) -> int:
    if resume:
        return updates_before(run_dir, started)
    refuse_existing(run_dir, name, started.world_size)
    return 0


def _aggregator(
    runs_dir: Path, aggregator: bool | str | None, keys: Path | str | None
) -> tuple[str | None, ClientKeys | None]:
    """The address of the aggregator and the key for it; None where there is none."""
    ingest = _ingest(runs_dir, aggregator, keyed=keys is not None)
    return ingest, None if keys is None or ingest is None else client_keys_for(ingest, Path(keys))


def _ingest(runs_dir: Path, aggregator: bool | str | None, *, keyed: bool) -> str | None:
    if aggregator is False:
        return None
    if isinstance(aggregator, str):
        return parse(aggregator, keyed=keyed).ingest
    if aggregator is True and not aggregator_running(runs_dir):
        try:
            start_aggregator(runs_dir, IDLE_EXIT_S)
        except EsperError as error:  # a training records by itself
            message = LogMessage("recording without an aggregator", reason=str(error))
            logging.getLogger("esper.lite").warning(message)
    return for_runs_dir(runs_dir).ingest
