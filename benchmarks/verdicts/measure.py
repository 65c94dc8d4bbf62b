"""Compares what was found with what was wrong."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import fmean, pstdev

from benchmarks.verdicts.recording_file import Recording
from benchmarks.verdicts.replay import Alarm, ReplayedRun
from benchmarks.verdicts.table import FAULT_NAMED, SEEDS, TRUE_OF_FLAT_RETURNS, Half

FLAT_UPDATES = 8
"""Returns are flat if all episodes of this many updates have the same."""

BEGINNING = 8
"""The number of updates in which hardly anything is learned."""

DAMAGE = 1.0
"""A fault did damage if it costs this many deviations of the twin's returns."""


@dataclass
class Confusion:
    """How often one rule was right in one half.

    hits and misses count trainings whose fault the rule names; missed_by_all those of the misses in which no
    other rule named it. delays and onset_errors are in updates, one for each hit. false: how often the rule
    began to apply in healthy trainings, by severity. secondary: the same in faulty trainings whose fault it
    does not name. true_of_flat: how often it was right about a healthy training without a reward signal.
    """

    hits: int = 0
    misses: int = 0
    missed_by_all: int = 0
    delays: list[int] = field(default_factory=list)
    onset_errors: list[int] = field(default_factory=list)
    false: Counter[str] = field(default_factory=Counter)
    false_in: Counter[str] = field(default_factory=Counter)
    secondary: int = 0
    true_of_flat: int = 0


@dataclass
class FaultResult:
    """How one fault was found in one half; `hurt` counts trainings with damage, `hurt_and_found` of those."""

    trainings: int = 0
    found: int = 0
    hurt: int = 0
    hurt_and_found: int = 0
    other_rules: Counter[str] = field(default_factory=Counter)
    delays: list[int] = field(default_factory=list)
    onset_errors: list[int] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


@dataclass
class HealthyResult:
    """What was found in the healthy trainings of one half."""

    trainings: int = 0
    updates: int = 0
    alarms: Counter[str] = field(default_factory=Counter)
    with_alarms: Counter[str] = field(default_factory=Counter)
    learned: int = 0
    not_learned: list[str] = field(default_factory=list)


@dataclass
class Measurement:
    """The results of one half: by rule, by fault, and of the healthy trainings."""

    rules: dict[str, Confusion] = field(default_factory=dict)
    faults: dict[str, FaultResult] = field(default_factory=dict)
    healthy: HealthyResult = field(default_factory=HealthyResult)

    def rule(self, rule: str) -> Confusion:
        """The results of a rule."""
        return self.rules.setdefault(rule, Confusion())


def measure(runs: Iterable[ReplayedRun]) -> dict[Half, Measurement]:
    """Measure all runs, each in its half."""
    halves: dict[Half, Measurement] = {"tuning": Measurement(), "measured": Measurement()}
    for run in runs:
        half: Half = "tuning" if run.recording.seed in SEEDS["tuning"] else "measured"
        if run.twin is None:
            add_healthy(halves[half], run)
        else:
            add_faulty(halves[half], run, run.twin)
    return halves


def add_healthy(result: Measurement, run: ReplayedRun) -> None:
    """Count the alarms of a healthy training: each is false, unless it is true of flat returns."""
    recording, healthy = run.recording, result.healthy
    healthy.trainings += 1
    healthy.updates += len(recording.marks)
    if has_learned(recording):
        healthy.learned += 1
    else:
        healthy.not_learned.append(f"{recording.trainer} {recording.task} {recording.seed}")
    severities: set[str] = set()
    for alarm in run.alarms:
        counts = result.rule(alarm.finding.rule)
        if alarm.finding.rule in TRUE_OF_FLAT_RETURNS and is_flat(recording, alarm.update):
            counts.true_of_flat += 1
            continue
        counts.false[alarm.finding.severity] += 1
        counts.false_in[f"{recording.trainer} {recording.task}"] += 1
        healthy.alarms[alarm.finding.severity] += 1
        severities.add(alarm.finding.severity)
    healthy.with_alarms.update(severities)


def add_faulty(result: Measurement, run: ReplayedRun, twin: Recording) -> None:
    """Count whether the fault of a training was named, when, and with which onset."""
    recording = run.recording
    fault, outcome = FAULT_NAMED[recording.fault], result.faults.setdefault(recording.fault, FaultResult())
    first: dict[str, Alarm] = {}
    for alarm in run.alarms:
        first.setdefault(alarm.finding.rule, alarm)
    named = [first[rule] for rule in fault.hits if rule in first]
    hurt = did_damage(recording, twin)
    outcome.trainings += 1
    outcome.hurt += hurt
    outcome.found += bool(named)
    outcome.hurt_and_found += hurt and bool(named)
    if named:
        soonest = min(named, key=lambda alarm: alarm.update)
        outcome.delays.append(soonest.update - recording.begins)
        outcome.onset_errors.append(soonest.finding.since_update - recording.begins)
    else:
        outcome.missed.append(f"{recording.trainer} {recording.task} {recording.seed}")
        outcome.other_rules.update(list(first))
    for rule in fault.hits:
        _count_rule(result.rule(rule), first.get(rule), recording.begins, found=bool(named))
    for rule in first:
        result.rule(rule).secondary += rule not in fault.hits


def _count_rule(counts: Confusion, alarm: Alarm | None, begins: int, *, found: bool) -> None:
    if alarm is None:
        counts.misses += 1
        counts.missed_by_all += not found
        return
    counts.hits += 1
    counts.delays.append(alarm.update - begins)
    counts.onset_errors.append(alarm.finding.since_update - begins)


def known_returns(recording: Recording, first: int, last: int) -> list[float]:
    """The true returns of the updates from `first` to `last` in which episodes ended."""
    chosen = zip(recording.updates, recording.true_returns, strict=True)
    return [value for update, value in chosen if first <= update <= last and value == value]


def is_flat(recording: Recording, update: int) -> bool:
    """Whether all episodes of the last updates had the same return."""
    return len(set(known_returns(recording, update - FLAT_UPDATES, update))) <= 1


def has_learned(recording: Recording) -> bool:
    """Whether the last quarter of a training is better than its beginning by a deviation of that."""
    quarter = max(1, len(recording.marks) // 4)
    end = recording.updates.stop - 1
    first, last = known_returns(recording, 1, BEGINNING), known_returns(recording, end - quarter, end)
    if not first or not last:
        return False
    return fmean(last) > fmean(first) + max(pstdev(first), 1e-6)


def did_damage(recording: Recording, twin: Recording) -> bool:
    """Whether a training with a fault ended early, or has clearly smaller returns than its healthy twin."""
    if recording.ended:
        return True
    first, last = recording.begins, recording.updates.stop - 1
    middle = first + (last - first) // 3  # the first third shows what was learned before
    faulty, healthy = known_returns(recording, middle, last), known_returns(twin, middle, last)
    if not faulty or not healthy:
        return False
    return fmean(faulty) < fmean(healthy) - DAMAGE * max(pstdev(healthy), 1e-6)
