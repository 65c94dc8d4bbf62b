"""Launching several training processes on this machine, and waiting for them.

They rendezvous through a file, so that no port has to be free and no process has to outlive another.
`torchrun` does the same for several machines. Imports no torch.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

RENDEZVOUS = "ESPER_RENDEZVOUS"
"""The environment variable with the URL of the rendezvous file."""

_FORWARDED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TERMINATE_AFTER_S = 60.0
"""Seconds after the failure of one process before the others are terminated."""
_KILL_AFTER_S = 10.0
_POLL_S = 0.05

_Process = subprocess.Popen[bytes]


def train_with_ranks(options: Sequence[str], ranks: int) -> int:
    """Train with several processes of `python -m esper_trainer`; returns 0 if all of them succeed.

    Signals are forwarded to all of them; they share stdout and stderr.
    """
    with tempfile.TemporaryDirectory(prefix="esper-") as directory:
        processes = [_start(options, rank, ranks, Path(directory) / "rendezvous") for rank in range(ranks)]
        with _forwarded_signals(processes):
            _wait(processes)
    codes = [process.returncode for process in processes]
    if any(codes) and 1 not in codes:  # no process has reported the failure
        killed = ", ".join(f"rank {rank}: {code}" for rank, code in enumerate(codes))
        sys.stderr.write(f"esper_trainer: All processes were killed ({killed}).\n")
    return 1 if any(codes) else 0


def _start(options: Sequence[str], rank: int, ranks: int, rendezvous: Path) -> _Process:
    """Start one process in its own session, so that a terminal's Ctrl-C reaches it only once."""
    environment = {
        "OMP_NUM_THREADS": "1",
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(ranks),
        RENDEZVOUS: rendezvous.as_uri(),
    }
    command = [sys.executable, "-m", "esper_trainer", *options]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, start_new_session=True)


@contextmanager
def _forwarded_signals(processes: Sequence[_Process]) -> Iterator[None]:
    def forward(number: int, frame: FrameType | None) -> None:
        for process in processes:
            process.send_signal(number)

    previous = {number: signal.signal(number, forward) for number in _FORWARDED_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _wait(processes: Sequence[_Process]) -> None:
    """Wait for all processes; after a failure, terminate and then kill those that do not exit."""
    failed_at: float | None = None
    while None in (codes := [process.poll() for process in processes]):
        now = time.monotonic()
        if failed_at is None and any(codes):
            failed_at = now
        waited = 0.0 if failed_at is None else now - failed_at
        for process in processes:
            if waited > _TERMINATE_AFTER_S + _KILL_AFTER_S:
                process.kill()
            elif waited > _TERMINATE_AFTER_S:
                process.terminate()
        time.sleep(_POLL_S)
