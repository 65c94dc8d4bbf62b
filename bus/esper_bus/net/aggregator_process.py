"""Starts the aggregator of a runs directory as a process in the background."""

import subprocess
import sys
import time
from pathlib import Path

import zmq

from esper_bus.addresses import Endpoints, for_runs_dir
from esper_bus.host.aggregator_lock import aggregator_running
from esper_bus.net.sockets import Context, connect, snapshot_client
from esper_bus.protocol.snapshot_messages import TOPIC
from esper_schemas.errors import StorageError, Unreachable

LOG_NAME = "aggregator.log"
IDLE_EXIT_S = 30.0
"""An aggregator that was started for a training run exits this long after its last client has gone."""
_CHECK_S = 0.25


def is_reachable(endpoints: Endpoints, timeout_s: float) -> bool:
    """Whether an aggregator sends anything from these addresses within `timeout_s`."""
    context: Context = zmq.Context()
    try:
        socket = snapshot_client(context)
        connect(socket, endpoints.snapshots).close()
        socket.subscribe(TOPIC)
        return bool(socket.poll(int(timeout_s * 1000)))
    finally:
        context.destroy(linger=0)


def start_aggregator(runs_dir: Path, idle_exit_s: float, timeout_s: float = 10.0) -> None:
    """Start an aggregator in the background unless one is running, and wait until it is reachable.

    Raises `Unreachable`, with the last line of its log, if it is not within `timeout_s`.
    """
    endpoints = for_runs_dir(runs_dir)
    deadline = time.monotonic() + timeout_s
    if aggregator_running(runs_dir) and is_reachable(endpoints, timeout_s):
        return
    process = _spawn(runs_dir, idle_exit_s)
    while not is_reachable(endpoints, _CHECK_S):
        # It exits where another one, started at the same moment, was faster: then that one is waited for.
        failed = process.poll() is not None and not aggregator_running(runs_dir)
        if failed or time.monotonic() > deadline:
            process.terminate()
            process.wait()
            raise Unreachable(_not_started(runs_dir))
    process.returncode = 0  # it outlives this process: otherwise Python warns that nobody waited for it


def _spawn(runs_dir: Path, idle_exit_s: float) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "esper_aggregator"]
    command += ["--runs-dir", str(runs_dir), "--idle-exit", str(idle_exit_s)]
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        with (runs_dir / LOG_NAME).open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
    except OSError as error:
        raise StorageError(
            f"Cannot write to {runs_dir} ({error.strerror}); make it writable or choose another "
            "runs directory."
        ) from error


def _not_started(runs_dir: Path) -> str:
    path = runs_dir / LOG_NAME
    lines = path.read_text(errors="replace").strip().splitlines() or ["its log is empty"]
    return f"The aggregator did not start: {lines[-1]} (see {path})."
