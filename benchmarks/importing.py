"""How fast logs are imported, beside TensorBoard's own reader, and how soon a followed log is shown.

`python -m benchmarks.importing` imports an event file, and reads it with `EventAccumulator`, by turns in the
same process; then it follows a log directory and measures the time from a writer's flush to the snapshot that
a screen receives. `--logs DIR` also imports each log in a directory of real ones.
"""

import argparse
import json
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from esper_bus.addresses import for_runs_dir
from esper_bus.net.aggregator_process import start_aggregator
from esper_bus.net.snapshot_source import SocketSource
from esper_lite.importing import checksums
from esper_lite.importing.checksums import masked_crc32c
from esper_lite.importing.import_logs import import_logs
from esper_schemas.errors import EsperError

UPDATES = 8_000
REPEATS = 5
FOLLOWED = 30
BEGIN_S = 1_700_000_000
TAGS = (
    "rollout/ep_len_mean", "rollout/ep_rew_mean", "time/fps", "train/approx_kl", "train/clip_fraction",
    "train/clip_range", "train/entropy_loss", "train/explained_variance", "train/learning_rate", "train/loss",
    "train/policy_gradient_loss", "train/std", "train/value_loss",
)  # fmt: skip
"""What Stable-Baselines3 writes after an update, one record for each value."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--logs", type=Path, help="a directory of real logs, each of which is imported")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        result = {**rates(directory), **latencies(directory), **real_logs(options.logs, directory)}
    if options.json:
        print(json.dumps(result))
    else:
        for what, value in result.items():
            print(f"{what:<52} {value:>12,.2f}")


def rates(directory: Path) -> dict[str, float]:
    """Scalars per second of this process: the median of some repetitions, which take turns.

    All of them use one thread, so that its own time counts: another program does not change it.
    """
    log = directory / "log" / f"events.out.tfevents.{BEGIN_S}.benchmark"
    log.parent.mkdir()
    log.write_bytes(
        event_frame(b"\x1a\x0dbrain.Event:2") + b"".join(map(update_frames, range(1, UPDATES + 1)))
    )
    readers = _readers(log, directory)
    seconds: dict[str, list[float]] = {what: [] for what in readers}
    for _ in range(REPEATS):
        for what, read in readers.items():
            start = time.process_time()
            scalars = read()
            seconds[what].append((time.process_time() - start) / scalars)
    rate = {f"{what}, scalars/s": 1 / statistics.median(times) for what, times in seconds.items()}
    own, in_python, *peer = rate.values()
    ratios = {"times the rate of EventAccumulator": own, "the same, without the extra": in_python}
    return rate | {what: value / peer[0] for what, value in ratios.items() if peer}


def _readers(log: Path, directory: Path) -> dict[str, Callable[[], int]]:
    """What reads the log, and returns the number of scalars."""
    numbers = iter(range(10**9))

    def imported() -> int:
        (result,) = import_logs(log, directory / "runs", f"run-{next(numbers)}")
        return result.totals.values

    def imported_in_python() -> int:
        implementation, checksums._implementation = checksums._implementation, lambda: checksums.crc32c
        try:
            return imported()
        finally:
            checksums._implementation = implementation

    readers = {"esper import": imported, "esper import, without the extra": imported_in_python}
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        print("TensorBoard is not installed and is skipped.", file=sys.stderr)
        return readers

    def accumulated() -> int:
        accumulator = EventAccumulator(str(log), size_guidance={"scalars": 0})
        accumulator.Reload()
        return sum(len(accumulator.Scalars(tag)) for tag in accumulator.Tags()["scalars"])

    return readers | {"TensorBoard's EventAccumulator": accumulated}


def latencies(directory: Path) -> dict[str, float]:
    """Milliseconds from a writer's flush to the snapshot with its update."""
    runs, log = directory / "followed", directory / "live" / "events.out.tfevents.1"
    log.parent.mkdir()
    start_aggregator(runs, 5.0)
    command = [sys.executable, "-m", "esper_cli", "follow", str(log.parent), "--runs-dir", str(runs)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    source = SocketSource(lambda: for_runs_dir(runs))
    try:
        times = list(_shown_after(source, log))
    finally:
        process.terminate()
        process.communicate()
        source.close()
    return {
        "esper follow, ms from flush to snapshot, median": statistics.median(times),
        "esper follow, ms from flush to snapshot, maximum": max(times),
    }


def _shown_after(source: SocketSource, log: Path) -> Iterator[float]:
    with log.open("wb") as file:
        file.write(event_frame(b"\x1a\x0dbrain.Event:2"))
        for update in range(1, FOLLOWED + 1):
            file.write(update_frames(update))
            file.flush()
            start = time.perf_counter()
            while not ((shown := source.poll().snapshot) and shown.run.last_step == 2048 * update):
                time.sleep(0.002)
            if update > 1:  # the first one waits for the follower to start
                yield (time.perf_counter() - start) * 1_000
            time.sleep(0.317)  # at any moment between two looks at the file


def real_logs(logs: Path | None, directory: Path) -> dict[str, float]:
    """Scalars per second of each real log, imported once."""
    found = sorted(logs.iterdir()) if logs is not None and logs.is_dir() else []
    if logs is not None and not found:
        print(f"{logs} has no logs and is skipped.", file=sys.stderr)
    rate: dict[str, float] = {}
    for number, log in enumerate(found):
        start = time.perf_counter()
        try:
            (result,) = import_logs(log, directory / "real", f"log-{number}")
        except EsperError as error:
            print(error, file=sys.stderr)
            continue
        rate[f"{log.name[:38]}, scalars/s"] = result.totals.values / (time.perf_counter() - start)
    return rate


def update_frames(update: int) -> bytes:
    """The records of one update."""
    return b"".join(
        event_frame(_step(update) + _summary(tag, (update * 7919 + number) % 1000 / 997), BEGIN_S + update)
        for number, tag in enumerate(TAGS)
    )


def event_frame(fields: bytes, wall_time: float = BEGIN_S) -> bytes:
    """One record of an event file: an event with its time and these fields."""
    data = b"\x09" + struct.pack("<d", wall_time) + fields
    length = struct.pack("<Q", len(data))
    checksum = (struct.pack("<I", masked_crc32c(part)) for part in (length, data))
    return length + next(checksum) + data + next(checksum)


def _step(update: int) -> bytes:
    step, encoded = 2048 * update, b"\x10"
    while step > 0x7F:
        encoded += bytes([step & 0x7F | 0x80])
        step >>= 7
    return encoded + bytes([step])


def _summary(tag: str, value: float) -> bytes:
    text = tag.encode()
    inner = b"\x0a" + bytes([len(text)]) + text + b"\x15" + struct.pack("<f", value)
    return b"\x2a" + bytes([len(inner) + 2]) + b"\x0a" + bytes([len(inner)]) + inner


if __name__ == "__main__":
    main()
