"""How soon Sanctum is visible: from the start of the process to a screen on a pseudo-terminal.

    python -m benchmarks.sanctum_start [--times N] [--json]

"waiting" has no aggregator, which the first screen says. "replay" reads a recorded run of 400 updates,
"attach" a live aggregator of the same run; both count until a number of the last update is written.
They are compared, in turn in the same run, with a minimal Textual app that shows one word.
"""

import argparse
import json
import os
import pty
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from esper_bus import connect
from esper_schemas.payload import PPOUpdatePayload

UPDATES = 400
LAST_KL = 0.0123
NUMBER = b"0.0123"
TEXTUAL = """
from textual.app import App
from textual.widgets import Static

class Word(App):
    def compose(self):
        yield Static("PPO LOSSES")

Word().run()
"""
SANCTUM = [sys.executable, "-m", "esper_cli.sanctum"]
DEADLINE_S = 30.0


Start = tuple[float, float]


def seconds_until(command: list[str], word: bytes, environment: dict[str, str]) -> Start:
    """Seconds and CPU seconds of a command until it has written a word to its terminal of 160 by 50."""
    ours, theirs = pty.openpty()
    settings = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": "160", "LINES": "50"}
    started, written = time.perf_counter(), b""
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment | settings
    )
    os.close(theirs)
    try:
        while word not in written:
            if not select.select([ours], [], [], DEADLINE_S)[0]:
                raise SystemExit(f"{command} wrote only {written[-500:]!r}")
            written += os.read(ours, 65536)
        seconds = time.perf_counter() - started
    finally:
        process.kill()
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0  # already waited for
        os.close(ours)
    return seconds, usage.ru_utime + usage.ru_stime


def measure(directory: Path, times: int) -> dict[str, list[Start]]:
    """Seconds of every start, by case; the cases are run in turn."""
    runs = directory / "runs"
    alone = os.environ | {"XDG_RUNTIME_DIR": str(directory / "none"), "ESPER_RUNS_DIR": str(directory / "no")}
    live = os.environ | {"XDG_RUNTIME_DIR": str(directory), "ESPER_RUNS_DIR": str(runs)}
    os.environ.update(live)
    aggregator = subprocess.Popen([sys.executable, "-m", "esper_cli", "aggregate"], stderr=subprocess.DEVNULL)
    try:
        with connect("measured", runs_dir=runs) as telemetry:
            for _ in range(UPDATES):
                telemetry.emit(PPOUpdatePayload(policy_loss=-0.01, kl_divergence=LAST_KL))
            cases: dict[str, Callable[[], Start]] = {
                "a word by Textual": lambda: seconds_until(
                    [sys.executable, "-c", TEXTUAL], b"PPO LOSSES", alone
                ),
                "waiting": lambda: seconds_until(SANCTUM, b"PPO LOSSES", alone),
                "replay": lambda: seconds_until([*SANCTUM, str(runs / "measured")], NUMBER, live),
                "attach": lambda: seconds_until(SANCTUM, NUMBER, live),
            }
            for case in cases.values():
                case()  # File caches are warm from here on.
            rounds = [{name: case() for name, case in cases.items()} for _ in range(times)]
            return {name: [one[name] for one in rounds] for name in cases}
    finally:
        aggregator.terminate()
        aggregator.wait()


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--times", type=int, default=9, help="how often each case is started")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="s") as directory:
        measured = measure(Path(directory), options.times)
    if options.json:
        print(json.dumps(measured))
        return
    print("| case | median, s | worst, s | CPU, s |\n|---|--:|--:|--:|")
    for name, starts in measured.items():
        seconds, cpu = zip(*starts, strict=True)
        row = (statistics.median(seconds), max(seconds), statistics.median(cpu))
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in row) + " |")


if __name__ == "__main__":
    main()
