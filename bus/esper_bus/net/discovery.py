"""Finds the aggregator of a runs directory, and starts one where there is none."""

import subprocess
import sys
import time
from pathlib import Path

import zmq

from esper_bus.addresses import Endpoints, for_runs_dir
from esper_bus.host.aggregator_lock import AggregatorLock, aggregator_alive, local_runs_dirs
from esper_bus.net.sockets import Context, connect, snapshot_client
from esper_bus.protocol.snapshot_messages import TOPIC
from esper_schemas.errors import StorageError, Unreachable

__all__ = ["AggregatorLock", "aggregator_alive", "answers", "local_runs_dirs", "start_aggregator"]

LOG_NAME = "aggregator.log"
IDLE_EXIT_S = 30.0
"""An aggregator that was started along with a training ends so long after the last one who needed it."""
_ASK_S = 0.25


def answers(endpoints: Endpoints, timeout_s: float) -> bool:
    """Whether an aggregator says anything at these addresses within some seconds."""
    context: Context = zmq.Context()
    try:
        socket = snapshot_client(context)
        handshake = connect(socket, endpoints.snapshots)
        socket.subscribe(TOPIC)
        heard = bool(socket.poll(int(timeout_s * 1000)))
        handshake.close()
        return heard
    finally:
        context.destroy(linger=0)


def start_aggregator(runs_dir: Path, idle_exit_s: float, timeout_s: float = 10.0) -> None:
    """Start an aggregator in the background and wait until it answers; fine if one does already.

    Raises `Unreachable` with the end of its log if it does not.
    """
    endpoints = for_runs_dir(runs_dir)
    deadline = time.monotonic() + timeout_s
    if aggregator_alive(runs_dir) and answers(endpoints, timeout_s):
        return
    process = _spawn(runs_dir, idle_exit_s)
    while not answers(endpoints, _ASK_S):
        # It may have found that another one, started at the same moment, was faster.
        gone = process.poll() is not None and not aggregator_alive(runs_dir)
        if gone or time.monotonic() > deadline:
            process.terminate()
            process.wait()
            raise Unreachable(_not_started(runs_dir))
    process.returncode = 0  # it outlives us: Python would warn that nobody waited for it


def _spawn(runs_dir: Path, idle_exit_s: float) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "esper_aggregator"]
    command += ["--runs-dir", str(runs_dir), "--idle-exit", str(idle_exit_s)]
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        with (runs_dir / LOG_NAME).open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    except OSError as error:
        raise StorageError(
            f"Cannot write to {runs_dir} ({error.strerror}); make it writable or choose another "
            "runs directory."
        ) from error
    return process


def _not_started(runs_dir: Path) -> str:
    path = runs_dir / LOG_NAME
    lines = path.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    return f"The aggregator did not start: {lines[-1]} (see {path})."
