"""The largest memory and number of open files of processes, sampled from /proc while they run."""

import contextlib
import os
import subprocess
import threading
from pathlib import Path
from typing import NamedTuple

_EVERY_S = 0.05


class Size(NamedTuple):
    """Resident memory in MB, and open files."""

    memory_mb: float
    files: int


BOUNDS = {"aggregator": Size(250, 200), "trainer": Size(200, 80), "viewer": Size(150, 80)}
"""The largest allowed size of a process of each kind, unless a scenario allows more."""


class Vitals(threading.Thread):
    """A daemon thread that keeps the largest size of each kind of process, until `stop` is called."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peaks: dict[str, Size] = {}
        self._watched: list[tuple[str, subprocess.Popen[str]]] = []
        self._stopped = threading.Event()

    def watch(self, kind: str, process: subprocess.Popen[str]) -> None:
        """Sample this process from now on."""
        self._watched.append((kind, process))

    def run(self) -> None:
        """Sample all processes until stopped."""
        while not self._stopped.wait(_EVERY_S):
            for kind, process in list(self._watched):
                if process.returncode is None:
                    with contextlib.suppress(OSError, ValueError, IndexError):
                        self._grown(kind, _size(process.pid))

    def stop(self) -> None:
        """Stop sampling."""
        self._stopped.set()

    def faults(self, bounds: dict[str, Size]) -> list[str]:
        """Every bound that was exceeded, as a sentence."""
        found = []
        for kind, peak in self.peaks.items():
            bound = bounds[kind]
            if peak.memory_mb > bound.memory_mb or peak.files > bound.files:
                found.append(f"the {kind} grew to {peak.memory_mb:.0f} MB and {peak.files} files")
        return found

    def _grown(self, kind: str, size: Size) -> None:
        peak = self.peaks.get(kind, Size(0, 0))
        self.peaks[kind] = Size(max(peak.memory_mb, size.memory_mb), max(peak.files, size.files))


def _size(pid: int) -> Size:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return Size(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, files)
