"""`connect`: from a few arguments to a process that is being recorded."""

import logging
import os
import socket
from pathlib import Path

import msgspec

import esper_lite
from esper_bus.addresses import for_runs_dir, parse
from esper_bus.auth.keys import client_keys_for
from esper_bus.emit.emitter import Emitter, NullEmitter
from esper_bus.names import check_name
from esper_bus.net.discovery import IDLE_EXIT_S, aggregator_alive, start_aggregator
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
    name = check_name("producer", producer or producer_name(run_dir, rank, resume=resume))
    quota = default_spool_quota() if spool_quota is None else checked_quota(str(spool_quota), "spool_quota")
    if not resume:
        refuse_existing(run_dir, name, world_size)
    updates = updates_before(run_dir, started) if resume else 0
    ingest = _ingest(directory, aggregator, keyed=keys is not None)
    client = None if keys is None or ingest is None else client_keys_for(ingest, Path(keys))
    emitter = Emitter(run, name, run_dir, ingest, keys=client, spool_quota=quota)
    return Telemetry(emitter, started, updates)


def _filled_in(started: RunStarted, rank: int, world_size: int) -> RunStarted:
    return msgspec.structs.replace(
        started,
        rank=rank,
        world_size=world_size,
        host=started.host or socket.gethostname(),
        pid=started.pid or os.getpid(),
        version=started.version or esper_lite.__version__,
    )


def _ingest(runs_dir: Path, aggregator: bool | str | None, *, keyed: bool) -> str | None:
    if aggregator is False:
        return None
    if isinstance(aggregator, str):
        return parse(aggregator, keyed=keyed).ingest
    if aggregator is True and not aggregator_alive(runs_dir):
        try:
            start_aggregator(runs_dir, IDLE_EXIT_S)
        except EsperError as error:  # a training records by itself
            message = LogMessage("recording without an aggregator", reason=str(error))
            logging.getLogger("esper.lite").warning(message)
    return for_runs_dir(runs_dir).ingest
