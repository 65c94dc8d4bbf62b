"""Compares what was found with what was wrong."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.verdicts.outcome import Outcome, did_damage, falls, is_flat, outcome_of
from benchmarks.verdicts.recording_file import Recording
from benchmarks.verdicts.replay import Alarm, ReplayedRun
from benchmarks.verdicts.table import FAULT_NAMED, SEEDS, TRUE_OF_FLAT_RETURNS, Half, half_of


@dataclass
class Confusion:
    """How often one rule was right in one half.

    hits and misses count trainings whose fault the rule names; missed_by_all those of the misses in which no
    other rule named it, by fault, and missed_damage those of them that were hurt. delays and onset_errors are
    in updates, one for each hit. false: how often the rule began to apply in healthy trainings, by severity.
    secondary: the same in faulty trainings whose fault it does not name. true_of_flat, in_falls and
    unlearned: the same in trainings without a fault, while all their returns were equal, around a fall of the
    return, and where nothing was learned.
    """

    hits: int = 0
    misses: int = 0
    missed_by_all: Counter[str] = field(default_factory=Counter)
    missed_damage: Counter[str] = field(default_factory=Counter)
    delays: list[int] = field(default_factory=list)
    onset_errors: list[int] = field(default_factory=list)
    false: Counter[str] = field(default_factory=Counter)
    false_in: Counter[str] = field(default_factory=Counter)
    secondary: int = 0
    true_of_flat: int = 0
    in_falls: int = 0
    unlearned: int = 0


@dataclass
class FaultResult:
    """How one fault was found in one half; `hurt` counts trainings with damage, `hurt_and_found` of those.

    hurt_onset_errors: those of `onset_errors` that are about trainings with damage.
    """

    trainings: int = 0
    found: int = 0
    hurt: int = 0
    hurt_and_found: int = 0
    other_rules: Counter[str] = field(default_factory=Counter)
    delays: list[int] = field(default_factory=list)
    onset_errors: list[int] = field(default_factory=list)
    hurt_onset_errors: list[int] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


@dataclass
class HealthyResult:
    """What was found in trainings without a fault of one half.

    trainings, updates, alarms, with_alarms: of those that learned, without the `fallen` updates around falls
    of the return. others: the number of trainings and updates with another outcome. not_learned: their names.
    """

    trainings: int = 0
    updates: int = 0
    fallen: int = 0
    alarms: Counter[str] = field(default_factory=Counter)
    with_alarms: Counter[str] = field(default_factory=Counter)
    others: dict[Outcome, tuple[int, int]] = field(default_factory=dict)
    not_learned: list[str] = field(default_factory=list)


@dataclass
class Amount:
    """How many recordings and updates there are of one trainer and task, without and with a fault."""

    recordings: int = 0
    updates: int = 0
    faulty: int = 0
    faulty_updates: int = 0

    def add(self, recording: Recording) -> None:
        """Count a recording."""
        if recording.fault:
            self.faulty, self.faulty_updates = self.faulty + 1, self.faulty_updates + len(recording.marks)
        else:
            self.recordings, self.updates = self.recordings + 1, self.updates + len(recording.marks)


@dataclass
class Measurement:
    """The results of one half: by rule, by fault, and of the healthy trainings."""

    amounts: dict[tuple[str, str], Amount] = field(default_factory=dict)
    rules: dict[str, Confusion] = field(default_factory=dict)
    faults: dict[str, FaultResult] = field(default_factory=dict)
    healthy: HealthyResult = field(default_factory=HealthyResult)

    def rule(self, rule: str) -> Confusion:
        """The results of a rule."""
        return self.rules.setdefault(rule, Confusion())


def measure(runs: Iterable[ReplayedRun]) -> dict[Half, Measurement]:
    """Measure all runs, each in its half."""
    halves: dict[Half, Measurement] = {half: Measurement() for half in SEEDS}
    for run in runs:
        result = halves[half_of(run.recording.seed)]
        key = run.recording.trainer, run.recording.task
        result.amounts.setdefault(key, Amount()).add(run.recording)
        if run.twin is not None:
            add_faulty(result, run, run.twin)
        elif (outcome := outcome_of(run.recording)) == "learned":
            add_healthy(result, run)
        else:
            add_unlearned(result, run, outcome)
    return halves


def add_healthy(result: Measurement, run: ReplayedRun) -> None:
    """Count the alarms of a healthy training: each is false, unless it is true of flat or fallen returns."""
    recording, healthy, fallen = run.recording, result.healthy, falls(run.recording)
    healthy.trainings += 1
    healthy.fallen += len(fallen)
    healthy.updates += len(recording.marks) - len(fallen)
    severities: set[str] = set()
    for alarm in run.alarms:
        rule, severity = alarm.finding.rule, alarm.finding.severity
        counts = result.rule(rule)
        if alarm.update in fallen:
            counts.in_falls += 1
        elif rule in TRUE_OF_FLAT_RETURNS and is_flat(recording, alarm.update):
            counts.true_of_flat += 1
        else:
            counts.false[severity] += 1
            counts.false_in[f"{recording.trainer} {recording.task}"] += 1
            healthy.alarms[severity] += 1
            severities.add(severity)
    healthy.with_alarms.update(severities)


def add_unlearned(result: Measurement, run: ReplayedRun, outcome: Outcome) -> None:
    """Count a training that learned nothing, and what was found in it: nothing of it is right or wrong."""
    recording, healthy = run.recording, result.healthy
    trainings, updates = healthy.others.get(outcome, (0, 0))
    healthy.others[outcome] = (trainings + 1, updates + len(recording.marks))
    healthy.not_learned.append(f"{recording.trainer} {recording.task} {recording.seed}")
    for alarm in run.alarms:
        result.rule(alarm.finding.rule).unlearned += 1


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
        outcome.hurt_onset_errors += outcome.onset_errors[-1:] if hurt else []
    else:
        outcome.missed.append(f"{recording.trainer} {recording.task} {recording.seed}")
        outcome.other_rules.update(list(first))
    for rule in fault.hits:
        _count_rule(result.rule(rule), first.get(rule), recording, found=bool(named), hurt=hurt)
    for rule in first:
        result.rule(rule).secondary += rule not in fault.hits


def _count_rule(
    counts: Confusion, alarm: Alarm | None, recording: Recording, *, found: bool, hurt: bool
) -> None:
    if alarm is None:
        counts.misses += 1
        counts.missed_by_all[recording.fault] += not found
        counts.missed_damage[recording.fault] += hurt and not found
        return
    counts.hits += 1
    counts.delays.append(alarm.update - recording.begins)
    counts.onset_errors.append(alarm.finding.since_update - recording.begins)
