"""The cost of Sanctum on a recorded run: playing it, and following it while it is still being written.

    python -m benchmarks.sanctum_recorded [--seconds N]

"playing" plays a run of one update a second at 16 times its pace, from its beginning; "following" shows a log
to which another process adds 20 updates a second; "still" shows the end of the same log while nothing is
added. CPU is the process time of the app on a pseudo-terminal, as a share of one core, the thread that
answers questions about the past included.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.sanctum import WARM_UP_S, _watch

UPDATES = 2_000
PLAYED_S = 3.0
"""Seconds after which the last key was pressed."""
KEYS = ("T", "home", "plus", "plus", "plus", "plus", "space")
FIRST_FRAMES = 5
"""Frames after which a run plays, and the caches are warm."""
ADDED_S = 0.05
CASES = ("playing", "following", "still")


def child(case: str, seconds: float, report: Path, run: Path) -> None:
    """Run the app on this terminal and write down its cost."""
    from esper_aggregator.log_source import LogSource
    from esper_aggregator.past.local_history import LocalHistory
    from esper_schemas.snapshot import EMPTY_SNAPSHOT
    from esper_tui.app import SanctumApp
    from esper_tui.view.view import View

    class Measured(SanctumApp):
        frames, shown = 0, EMPTY_SNAPSHOT

        def on_mount(self) -> None:
            for number, key in enumerate(KEYS if case == "playing" else ()):
                self.set_timer(WARM_UP_S + 0.2 * number, lambda key=key: self.simulate_key(key))
            self.set_timer(PLAYED_S, self.begin_if_ready)

        def view(self) -> View:
            view = super().view()
            self.frames += view.snapshot is not self.shown
            self.shown = view.snapshot
            return view

        def spent(self) -> tuple[float, float, int]:
            return time.perf_counter(), time.process_time(), self.frames

        def begin_if_ready(self) -> None:
            if case == "playing" and self.frames < FIRST_FRAMES:
                self.set_timer(ADDED_S, self.begin_if_ready)
                return
            self.before = self.spent()
            self.set_timer(seconds, self.end)

        def end(self) -> None:
            wall, cpu, frames = (b - a for a, b in zip(self.before, self.spent(), strict=True))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            report.write_text(json.dumps([wall, cpu, frames, self._rewind.playhead.playing, peak]))
            self.exit()

    Measured(LogSource(run), open_history=lambda name: LocalHistory(run), frames_per_second=20.0).run()


def write(run: Path) -> None:
    """Record a run, then add an update every now and then until the process is ended."""
    from benchmarks import series

    from esper_aggregator.recording import Recording

    recording = Recording(run, 1)
    for number, records in enumerate(series.batches(series.updates(10 * UPDATES), 1)):
        recording.extend(records)
        if number >= UPDATES:
            time.sleep(ADDED_S)
        if number >= UPDATES - 1:
            recording.flush()
        if number == UPDATES - 1:
            print("recorded", flush=True)


@contextmanager
def recorded(run: Path, *, growing: bool) -> Iterator[None]:
    """A run that was recorded by another process, which adds to it if it is to grow."""
    command = [sys.executable, "-m", "benchmarks.sanctum_recorded", "--write", str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        if not growing:
            writer.kill()
        yield
        writer.kill()


def measure(case: str, width: int, height: int, seconds: float) -> list[float]:
    """Run one case in a child on a pseudo-terminal of its own."""
    with TemporaryDirectory() as folder:
        report, run = Path(folder) / "report.json", Path(folder) / "run"
        command = [sys.executable, "-m", "benchmarks.sanctum_recorded", "--child", case, str(seconds)]
        with recorded(run, growing=case == "following"):
            _watch([*command, str(report), str(run)], width, height, seconds)
        result: list[float] = json.loads(report.read_text())
        return result


def main() -> None:
    """Measure every case and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long each case runs")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write(options.write)
        return
    if options.child:
        case, seconds, report, run = options.child
        child(case, float(seconds), Path(report), Path(run))
        return
    print("| case | size | % of a core | frames/s | ms/frame | MB |\n|---|---|--:|--:|--:|--:|")
    for case in CASES:
        wall, cpu, frames, playing, peak = measure(case, 160, 50, options.seconds)
        if (case == "playing") != playing:
            raise SystemExit(f"{case}: the keys did not do what they should")
        costs = f"{100 * cpu / wall:.1f} | {frames / wall:.1f} | {1000 * cpu / max(frames, 1):.1f}"
        print(f"| {case} | 160x50 | {costs} | {peak / 1024:.1f} |")


if __name__ == "__main__":
    main()
