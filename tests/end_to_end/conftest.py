"""Real processes, as a user starts them, with their own runs directory and sockets."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ESPER = [sys.executable, "-m", "esper_cli"]
SANCTUM = [sys.executable, "-m", "esper_cli.sanctum"]
TRAIN = ["ppo", "--preset", "lite", "--no-tui", "--seed", "1"]


class Playground:
    """A runs directory, and the environment variables that separate its processes from all others."""

    def __init__(self, directory: Path) -> None:
        self.runs_dir = directory / "runs"
        self.environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(directory),
            "ESPER_RUNS_DIR": str(self.runs_dir),
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "120",
        }
        self.processes: list[subprocess.Popen[str]] = []

    def run(self, command, *, timeout=120, environment=None, **options):
        """Run a command to its end."""
        return subprocess.run(
            command,
            env=environment or self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **options,
        )

    def start(self, command):
        """Start a command that keeps running."""
        process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.processes.append(process)
        return process

    def close(self):
        """Kill all processes."""
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def playground(tmp_path_factory):
    """One playground per module, with a short path because the length of ipc paths is limited."""
    place = Playground(tmp_path_factory.mktemp("w"))
    yield place
    place.close()


@pytest.fixture
def wait_for():
    """Waits until a function returns a true value, and returns that."""

    def wait(function, *, timeout=60.0, what="that"):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            result = function()
            if result:
                return result
            time.sleep(0.02)
        pytest.fail(f"{what} did not happen within {timeout:.0f} s")

    return wait


@pytest.fixture(scope="session")
def commands():
    """The command lines of the two programs and of a short training."""
    return {"esper": ESPER, "sanctum": SANCTUM, "train": [*ESPER, *TRAIN]}
