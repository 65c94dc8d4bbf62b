"""Fold the recorded trainings and print how often each rule is right.

    python -m benchmarks.verdicts [--corpus DIR] [--field-logs DIR]

False findings are those of healthy trainings, per 1,000 updates; "flat" counts those that are true because
all episodes had the same return. "other" counts findings about a fault that the rule does not name, "by all"
the misses in which no rule named it. Delay is the number of updates from the beginning of the fault to the
first finding, onset the difference between the update that the finding names and the true one; both as
median (smallest … largest). A fault is "hurt" where the return fell below that of the healthy twin.

A training without a fault is healthy if it learned, by its true returns alone; the updates around a fall of
the return do not count ("in falls"), nor do trainings that learned nothing ("unlearned").

Bounds may be chosen on the half for tuning (seeds 1-3, faults in settings and environments). Recordings of
seeds 4-6 were looked at while rules changed. The measured half (from seed 7 on, faults in store, targets,
loss and minibatches) is left out without --measured, since rules must not be fitted to it.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.verdicts.checks import check_table
from benchmarks.verdicts.drift import drift_lines
from benchmarks.verdicts.field_logs import field_log_lines
from benchmarks.verdicts.measure import measure
from benchmarks.verdicts.record import CORPUS
from benchmarks.verdicts.replay import ReplayedRun, read_halves, replay_all
from benchmarks.verdicts.report import report
from benchmarks.verdicts.table import SEEDS, Half


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=CORPUS, metavar="DIR", help="the recordings")
    parser.add_argument("--measured", action="store_true", help="also the measured half")
    parser.add_argument("--field-logs", type=Path, metavar="DIR", help="training logs of other people")
    parser.add_argument("--details", action="store_true", help="also print every alarm of every training")
    options = parser.parse_args()
    began = time.monotonic()
    recordings = read_halves(options.corpus, chosen_halves(measured=options.measured))
    runs = replay_all(recordings)
    halves = measure(_with_details(runs) if options.details else runs)
    print(*report(halves), sep="\n")
    print("== the trainers' own checks, smallest … largest of all updates", sep="\n")
    print(*check_table(recordings), "", *drift_lines(recordings), "", sep="\n")
    for line in field_log_lines(options.field_logs):
        print(line)
    print(f"{time.monotonic() - began:.0f} s")


def chosen_halves(*, measured: bool) -> tuple[Half, ...]:
    """The halves that are measured."""
    return tuple(half for half in SEEDS if measured or half != "measured")


def _with_details(runs: Iterator[ReplayedRun]) -> Iterator[ReplayedRun]:
    for run in runs:
        recording = run.recording
        print(f"{recording.trainer} {recording.task} {recording.seed}: {recording.fault or 'healthy'}")
        for update, finding in run.alarms:
            print(f"  {update}: {finding.severity} {finding.rule} since {finding.since_update}")
        yield run


if __name__ == "__main__":
    main()
