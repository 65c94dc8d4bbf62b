"""The cost of Sanctum: CPU, bytes to the terminal, memory and the time to the first frame, on a real pty.

    python benchmarks/sanctum.py [--seconds N] [--json]

A child process runs the app on a pseudo-terminal of each size. "busy" decodes another snapshot for
every frame, so that everything that can change does; "ssh" does so at the rate that is used over ssh;
"charts" is "busy" with a history that answers questions about series; "paused" freezes the screen while
snapshots keep arriving; "idle" always gets the same one. CPU is the
process time of the child as a share of one core, between two timers after a warm-up.
"""

import argparse
import fcntl
import json
import os
import pty
import random
import resource
import select
import struct
import subprocess
import sys
import termios
import time
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args, get_type_hints

from esper_schemas import (
    CATALOGUE,
    HEADS,
    Feed,
    SanctumSnapshot,
    TamiyoState,
    decode_snapshot,
    encode_snapshot,
    trend,
)
from esper_schemas.events import DecisionMade, VitalsSampled
from esper_schemas.findings import Evidence, Finding
from esper_schemas.history import Column, Question, Series, SeriesQuestion
from esper_schemas.snapshot import (
    DecisionEntry,
    EventEntry,
    LinkHealth,
    LogEntry,
    RankState,
    RunInfo,
    SlotsState,
)
from esper_schemas.state import HISTORY_LENGTH, HISTORY_METRICS

FIRST_PANEL = b"PPO LOSSES"
WARM_UP_S = 1.0
PICTURES = 64
CASES = (
    ("busy", 80, 24),
    ("busy", 160, 50),
    ("busy", 200, 60),
    ("charts", 160, 50),
    ("charts", 200, 90),
    ("ssh", 160, 50),
    ("paused", 160, 50),
    ("idle", 160, 50),
)


COUNTS = tuple(
    name for name, hint in get_type_hints(TamiyoState).items() if name in CATALOGUE and int in get_args(hint)
)


@dataclass(frozen=True, slots=True)
class Result:
    """The cost of one case."""

    case: str
    size: str
    frames_per_second: float
    cpu_percent: float
    ms_per_frame: float
    kilobytes_per_second: float
    memory_megabytes: float
    first_frame_seconds: float


def picture(number: int) -> SanctumSnapshot:
    """A snapshot in which every number that is shown differs from the previous one."""
    rng = random.Random(number)
    histories = {m: tuple(rng.random() for _ in range(HISTORY_LENGTH)) for m in HISTORY_METRICS}
    fields: dict[str, object] = {name: rng.uniform(0.0, 2.0) for name in CATALOGUE}
    fields |= {f"{m}_history": history for m, history in histories.items()}
    fields |= {f"head_{head}_grad_norm_prev": rng.random() for head in HEADS}
    fields |= dict.fromkeys(COUNTS, number % 3)
    fields |= {"trends": {m: trend(h, 0.2) for m, h in histories.items()}}
    counts = {"ppo_data_received": True, "ppo_updates_count": number, "last_update": number}
    return SanctumSnapshot(
        events_folded=number,
        run=RunInfo(run="benchmark", episodes=PICTURES, mean_return=rng.random(), baseline_return=0.4),
        tamiyo=TamiyoState(**fields, **counts),  # type: ignore[arg-type]
        recent_events=tuple(_event(number, i) for i in range(50)),
        findings=(_finding(number),) * (1 + number % 3),
        ranks=tuple(
            RankState(producer=f"r{i}", rank=i, updates=number, steps_per_second=rng.uniform(1e3, 9e3))
            for i in range(8)
        ),
        slots=SlotsState(stage_counts=tuple(rng.randrange(100) for _ in range(7))),
        decisions=tuple(_decision(rng) for _ in range(8)),
        vitals=VitalsSampled(cpu_share=rng.random(), memory_bytes=rng.randrange(1 << 30)),
        log=tuple(
            LogEntry(at_ns=number * 10**9, producer="r0", level="warning", message=f"{number + i}")
            for i in range(10)
        ),
        link=LinkHealth(events=number, lag_ms=rng.uniform(1, 99)),
    )


def _finding(number: int) -> Finding:
    text = f"KL divergence 0.0{number}"
    evidence = (Evidence(number, text), Evidence(number + 1, text))
    return Finding(
        rule="r",
        severity="warning",
        title=f"Something is wrong {number}",
        since_update=number,
        evidence=evidence,
        advice=(text,),
    )


def _decision(rng: random.Random) -> DecisionEntry:
    choices = {head: rng.randrange(3) for head in HEADS}
    sure = {head: rng.random() for head in HEADS}
    made = DecisionMade(update=1, environment=0, step=1, choices=choices, confidences=sure)
    return DecisionEntry(at_ns=0, producer="r0", decision=made)


def _event(number: int, place: int) -> EventEntry:
    text = f"update {number + place}: policy loss 0.{number * place % 999:03}"
    at_ns = (number + place) * 1_000_000_000
    return EventEntry(at_ns=at_ns, producer="rank0", kind="PPOUpdateCompleted", text=text)


class Pictures:
    """A source with a new snapshot, decoded as from a socket, for every poll; or always the same one."""

    def __init__(self, moving: bool) -> None:
        self._raw = [encode_snapshot(picture(number)) for number in range(PICTURES)]
        self._still = None if moving else decode_snapshot(self._raw[0])
        self.polls = 0

    def poll(self) -> Feed:
        """The next snapshot, received just now."""
        self.polls += 1
        now = time.time_ns()
        snapshot = self._still or decode_snapshot(self._raw[self.polls % PICTURES])
        return Feed(
            snapshot=snapshot, origin="benchmark", received_ns=now, sent_ns=now, trainer_message_ns=now
        )

    def close(self) -> None:
        """There is nothing to release."""


class Curves:
    """A history that has the series of every metric, and answers at once."""

    def __init__(self, run: str) -> None:
        self._waiting: list[tuple[int, SeriesQuestion]] = []
        self._asked = 0

    def ask(self, question: Question) -> int:
        """Only series are answered."""
        self._asked += 1
        if isinstance(question, SeriesQuestion):
            self._waiting.append((self._asked, question))
        return self._asked

    def answers(self) -> Iterator[tuple[int, Series]]:
        """Yield a random walk for every metric, another one in every answer."""
        waiting, self._waiting = self._waiting, []
        for number, question in waiting:
            x = array("d", range(question.points))
            columns = tuple(_column(metric, question.points) for metric in question.metrics)
            yield number, Series(x=x.tobytes(), axis=question.x, columns=columns)

    def close(self) -> None:
        """There is nothing to release."""


def _column(metric: str, points: int) -> Column:
    steps = (random.gauss(0.0, 1.0) for _ in range(points))
    mean = array("d", accumulate(steps))
    low, high = array("d", [v - 1.0 for v in mean]), array("d", [v + 1.0 for v in mean])
    counts = array("I", [9] * points)
    return Column(
        metric=metric,
        minimum=low.tobytes(),
        mean=mean.tobytes(),
        maximum=high.tobytes(),
        last=mean.tobytes(),
        measured=counts.tobytes(),
        not_finite=bytes(4 * points),
    )


def child(case: str, seconds: float, report: Path) -> None:
    """Run the app on this terminal and write down its cost."""
    from esper_cli.sanctum import SSH_RATE
    from esper_tui.app import SanctumApp
    from esper_tui.control.redraw_schedule import FASTEST

    source = Pictures(moving=case != "idle")
    rate = SSH_RATE if case == "ssh" else FASTEST

    class Measured(SanctumApp):
        def on_mount(self) -> None:
            if case == "paused":
                self.set_timer(WARM_UP_S / 2, self.action_pause)
            self.set_timer(WARM_UP_S, self.begin)

        def begin(self) -> None:
            self.before = (time.perf_counter(), time.process_time(), source.polls)
            self.set_timer(seconds, self.end)

        def end(self) -> None:
            now = (time.perf_counter(), time.process_time(), source.polls)
            wall, cpu, frames = (b - a for a, b in zip(self.before, now, strict=True))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            report.write_text(json.dumps([wall, cpu, frames, peak]))
            self.exit()

    history = {"open_history": Curves} if case == "charts" else {}
    Measured(source, frames_per_second=rate, **history).run()


def measure(case: str, width: int, height: int, seconds: float) -> Result:
    """Run one case in a child on a pseudo-terminal of its own."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, __file__, "--child", case, str(seconds), str(report)]
        first_frame, per_second = _watch(command, width, height, seconds)
        wall, cpu, frames, peak = json.loads(report.read_text())
    return Result(
        case,
        f"{width}x{height}",
        round(frames / wall, 1),
        round(100 * cpu / wall, 1),
        round(1000 * cpu / frames, 2),
        round(per_second / 1000, 1),
        round(peak / 1024, 1),
        round(first_frame, 2),
    )


def _watch(command: list[str], width: int, height: int, seconds: float) -> tuple[float, float]:
    """Seconds until the first panel was written, and bytes per second after the warm-up."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    started = time.perf_counter()
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    seen, first_frame, counted = b"", 0.0, 0
    while raw := _read(ours):
        now = time.perf_counter() - started
        if not first_frame:
            seen += raw
            first_frame = now if FIRST_PANEL in seen else 0.0
        elif WARM_UP_S <= now - first_frame < WARM_UP_S + seconds:
            counted += len(raw)
    os.close(ours)
    if process.wait() or not first_frame:
        raise SystemExit(f"The app did not run: {seen[-500:].decode(errors='replace')}")
    return first_frame, counted / seconds


def _read(terminal: int) -> bytes:
    """The output of the child; empty when it has ended."""
    select.select([terminal], [], [])
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def main() -> None:
    """Measure every case and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each case runs")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        case, seconds, report = options.child
        child(case, float(seconds), Path(report))
        return
    results = [measure(case, w, h, options.seconds) for case, w, h in CASES]
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        _print_table(results)


def _print_table(results: list[Result]) -> None:
    print("| case | size | frames/s | % of a core | ms/frame | kB/s | MB | first frame, s |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for result in results:
        print("| " + " | ".join(str(value) for value in asdict(result).values()) + " |")


if __name__ == "__main__":
    main()
