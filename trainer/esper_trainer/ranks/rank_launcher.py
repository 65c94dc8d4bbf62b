"""Starting several processes on this machine that train one policy, and ending with them.

They find each other by a file, so that no port has to be free, and none of them has to outlive another.
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
"""The environment variable that says where the processes find each other."""

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FOLLOW_S = 60.0
"""So long the others may take to end by themselves after one has failed."""
_KILL_S = 10.0
_LOOK_S = 0.05

_Process = subprocess.Popen[bytes]


def train_with_ranks(options: Sequence[str], ranks: int) -> int:
    """Train with so many processes of `python -m esper_trainer`; returns 0 if all of them succeeded.

    Signals are passed on to all of them; each speaks for itself, on the same stdout and stderr.
    """
    with tempfile.TemporaryDirectory(prefix="esper-") as place:
        processes = [_start(options, rank, ranks, Path(place) / "rendezvous") for rank in range(ranks)]
        with _signals_passed_on(processes):
            _wait(processes)
    codes = [process.returncode for process in processes]
    if any(codes) and 1 not in codes:  # nobody was left to say it
        killed = ", ".join(f"rank {rank}: {code}" for rank, code in enumerate(codes))
        sys.stderr.write(f"esper_trainer: Every process was ended from outside ({killed}).\n")
    return 1 if any(codes) else 0


def _start(options: Sequence[str], rank: int, ranks: int, meeting: Path) -> _Process:
    """One process, in a session of its own: a terminal's Ctrl-C is to reach each of them once."""
    environment = {
        "OMP_NUM_THREADS": "1",
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(ranks),
        RENDEZVOUS: meeting.as_uri(),
    }
    command = [sys.executable, "-m", "esper_trainer", *options]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, start_new_session=True)


@contextmanager
def _signals_passed_on(processes: Sequence[_Process]) -> Iterator[None]:
    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in processes:
            process.send_signal(number)

    previous = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _wait(processes: Sequence[_Process]) -> None:
    """Until all have ended; those that do not follow one that failed are made to."""
    failed_at: float | None = None
    while any(process.poll() is None for process in processes):
        now = time.monotonic()
        if failed_at is None and any(process.returncode for process in processes):
            failed_at = now
        waited = 0.0 if failed_at is None else now - failed_at
        for process in processes:
            if waited > _FOLLOW_S + _KILL_S:
                process.kill()
            elif waited > _FOLLOW_S:
                process.terminate()
        time.sleep(_LOOK_S)
