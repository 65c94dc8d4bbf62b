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
from esper_lite.launch import create_run_dir, rank_and_world_size
from esper_lite.telemetry import Telemetry
from esper_lite.thresholds_file import thresholds_text
from esper_schemas.errors import EsperError, InvalidArgument
from esper_schemas.events import RunStarted
from esper_schemas.rules.thresholds import read_thresholds


def connect(
    run: str | None = None,
    *,
    started: RunStarted | None = None,
    runs_dir: Path | str | None = None,
    aggregator: bool | str | None = None,
    keys: Path | str | None = None,
    producer: str | None = None,
    rank: int | None = None,
    world_size: int | None = None,
    resume: bool = False,
    spool_quota: int | str | None = None,
    enabled: bool = True,
    thresholds: Path | str | None = None,
) -> Telemetry:
    """Start recording this process of a training run in `runs_dir`/`run`, and emit `RunStarted`.

    run: name of the run; default that of the task or the program, with a number if it is taken.
    started: facts about the training; rank, world size, host, process id and version are filled in.
    runs_dir: default `$ESPER_RUNS_DIR`, else `./runs`.
    aggregator: None sends events to the aggregator of `runs_dir` while one runs; True also starts one; an
    address such as `tcp://127.0.0.1:5556` names another one; False sends nothing.
    keys: a client's key file, for an aggregator over tcp that requires keys.
    producer: name of this process; default `trainer:RANK`.
    rank, world_size: default `$RANK` and `$WORLD_SIZE`, as `torchrun` sets them, else 0 and 1.
    resume: continue an existing run, after update `started.resumed_from`, or else its last recorded one.
    spool_quota: limit of the spool, in bytes or as `500M`; default `$ESPER_SPOOL_QUOTA`, else 2 GiB.
    enabled: False records nothing, and touches neither disk nor network.
    thresholds: a TOML file, or its text, with bounds by which the run is judged; recorded with the run.

    Raises `RunExists` for a run that exists, `InvalidArgument` for an unusable argument, `StorageError` for
    a directory that cannot be read or written, and another `EsperError` for a key file.
    """
    rank, world_size = rank_and_world_size(rank, world_size)
    bounds = _thresholds(started, thresholds)
    if not enabled:
        return Telemetry(NullEmitter(), _filled_in(started, run or "", rank, world_size, bounds))
    directory = default_runs_dir() if runs_dir is None else Path(runs_dir)
    quota = default_spool_quota() if spool_quota is None else checked_quota(str(spool_quota), "spool_quota")
    ingest, client = aggregator_address(directory, aggregator, keys)
    run_dir = _run_dir(directory, run, started, world_size, resume=resume)
    started = _filled_in(started, run_dir.name, rank, world_size, bounds)
    name = check_name("producer", producer or producer_name(run_dir, rank, resume=resume))
    updates = _updates_before(run_dir, name, started, resume=resume)
    emitter = Emitter(run_dir.name, name, run_dir, ingest, keys=client, spool_quota=quota)
    return Telemetry(emitter, started, updates)


def _thresholds(started: RunStarted | None, given: Path | str | None) -> str:
    """Return the checked text of the thresholds of a run; empty without any."""
    heads = [spec.name for spec in started.heads] if started else []
    if given is not None:
        return thresholds_text(given, heads)
    text = started.thresholds if started else ""
    read_thresholds(text, origin="RunStarted.thresholds", heads=heads)
    return text


def _run_dir(
    runs_dir: Path, run: str | None, started: RunStarted | None, world_size: int, *, resume: bool
) -> Path:
    if run is not None:
        return runs_dir / check_name("run", run)
    if resume:
        raise InvalidArgument("Name the run that is to be resumed.")
    return create_run_dir(runs_dir, started, world_size)


def _filled_in(
    started: RunStarted | None, run: str, rank: int, world_size: int, thresholds: str
) -> RunStarted:
    started = started or RunStarted(task=run)
    return msgspec.structs.replace(
        started,
        rank=rank,
        world_size=world_size,
        host=started.host or socket.gethostname(),
        pid=started.pid or os.getpid(),
        version=started.version or esper_lite.__version__,
        thresholds=thresholds,
    )


def _updates_before(run_dir: Path, name: str, started: RunStarted, *, resume: bool) -> int:
    if resume:
        return updates_before(run_dir, started)
    refuse_existing(run_dir, name, started.world_size)
    return 0


def aggregator_address(
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
