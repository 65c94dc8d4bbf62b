"""Measure a long run in fresh processes: `python -m benchmarks.long_run --events 1000000 [--mix]`.

A log is recorded with its index and checkpoints, of bare updates or, with `--mix`, of 35 events an update; it
is kept in `--directory` if one is given, and used again. Times are processor time, memory is the most that a
process has had.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.long_run.parts import COMMANDS
from benchmarks.series import RUN, calibration

WITHOUT_INDEX = ("plain_fold", "open_first", "first_open", "first_series")
WITH_INDEX = ("open_end", "seeks", "series", "linear_read", "restart", "version", *COMMANDS)


def main() -> None:
    """Measure and print a table, or JSON."""
    options = _options()
    with tempfile.TemporaryDirectory() as name:
        directory = options.directory or Path(name)
        results = measure(directory, options.events, mixed=options.mix, only=options.only)
    if options.json:
        print(json.dumps(results))
        return
    for what, value in results.items():
        print(f"{what:<64} {value:>12,.3f}")


def measure(directory: Path, events: int, *, mixed: bool, only: list[str]) -> dict[str, float]:
    """Return all numbers of one kind of log, with the memory of each part behind them."""
    run, bare = directory / RUN, directory / "without_index" / RUN
    results = {"load of the machine": os.getloadavg()[0], "calibration, µs": calibration()}
    if not run.exists():
        results |= part("record", run, str(events), "mixed" if mixed else "bare")
        link_log(run, bare)
    for path, names in ((run, WITH_INDEX), (bare, WITHOUT_INDEX)):
        for name in names:
            if not only or name in only:
                results |= part(name, path)
    return results


def part(name: str, run: Path, *options: str) -> dict[str, float]:
    """Run a part in a process; its numbers, and its memory under its name."""
    command = [sys.executable, "-m", "benchmarks.long_run.parts", name, str(run), *options]
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"XDG_CACHE_HOME": cache}
        printed = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment).stdout
    results: dict[str, float] = json.loads(printed)
    memory = results.pop("memory, MB")
    print(f"{name}: {results}, {memory:.0f} MB", file=sys.stderr)
    return results | {f"memory of {name}, MB": memory}


def link_log(run: Path, bare: Path) -> None:
    """Make a run of the same log without index and checkpoints."""
    (bare / "log").mkdir(parents=True)
    for path in (run / "log").glob("*.mcap"):
        os.link(path, bare / "log" / path.name)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--events", type=int, default=100_000, help="length of the log (default: %(default)s)"
    )
    parser.add_argument("--mix", action="store_true", help="35 events an update instead of one")
    parser.add_argument("--directory", type=Path, help="where the log is kept and used again")
    parser.add_argument("--only", nargs="*", default=[], help="names of the parts that are measured")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
