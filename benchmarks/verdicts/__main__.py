"""Fold the recorded trainings and print how often each rule is right.

    python -m benchmarks.verdicts [--corpus DIR] [--field-logs DIR]

False findings are those of healthy trainings, per 1,000 updates; "flat" counts those that are true because
all episodes had the same return. "other" counts findings about a fault that the rule does not name, "by all"
the misses in which no rule named it. Delay is the number of updates from the beginning of the fault to the
first finding, onset the difference between the update that the finding names and the true one; both as
median (smallest … largest). A fault is "hurt" where the return fell below that of the healthy twin.

Bounds may be chosen on the tuning half (seeds 1-3, faults in settings and environments); the measured half
(seeds 4-6, faults in store, targets, loss and minibatches) is only measured.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.verdicts.checks import check_table
from benchmarks.verdicts.field_logs import field_log_lines
from benchmarks.verdicts.measure import measure
from benchmarks.verdicts.record import CORPUS
from benchmarks.verdicts.recording_file import SUFFIX, read_recording
from benchmarks.verdicts.replay import ReplayedRun, replay_all
from benchmarks.verdicts.report import report


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=CORPUS, metavar="DIR", help="the recordings")
    parser.add_argument("--field-logs", type=Path, metavar="DIR", help="training logs of other people")
    parser.add_argument("--details", action="store_true", help="also print every alarm of every training")
    options = parser.parse_args()
    began = time.monotonic()
    runs = replay_all(options.corpus)
    halves = measure(_with_details(runs) if options.details else runs)
    print(*report(halves), sep="\n")
    print(
        "== the trainers' own checks, smallest … largest of all updates",
        *_check_lines(options.corpus),
        "",
        sep="\n",
    )
    for line in field_log_lines(options.field_logs):
        print(line)
    print(f"{time.monotonic() - began:.0f} s")


def _check_lines(corpus: Path) -> Iterator[str]:
    return check_table(map(read_recording, sorted(corpus.glob(f"*{SUFFIX}"))))


def _with_details(runs: Iterator[ReplayedRun]) -> Iterator[ReplayedRun]:
    for run in runs:
        recording = run.recording
        print(f"{recording.trainer} {recording.task} {recording.seed}: {recording.fault or 'healthy'}")
        for update, finding in run.alarms:
            print(f"  {update}: {finding.severity} {finding.rule} since {finding.since_update}")
        yield run


if __name__ == "__main__":
    main()
