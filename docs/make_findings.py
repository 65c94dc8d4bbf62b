"""Write the reference of findings: every rule, its delay, and how often it is wrong.

    python docs/make_findings.py RUN...

RUN are recordings of healthy trainings, such as those of `esper ppo --episodes 400 --seed 0`. Writes
docs/reference/findings.md.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from faults import FAULTS, Fault, faulty_run

from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_bus.store.run_reader import read_records
from esper_schemas.events import Event, PPOUpdateCompleted, Record
from esper_schemas.findings import Finding
from esper_schemas.rules.rule import Rule
from esper_schemas.rules.rules import RULES
from esper_schemas.rules.watches import GAP
from esper_trainer.config import TrainingConfig

PAGE = Path(__file__).parent / "reference" / "findings.md"
SEEDS = range(3)
EXTRA_UPDATES = 3
"""The number of updates that a run is longer than seed 0 needs to find its fault."""


Delays = dict[str, dict[str, list[int | None]]]
"""Maps rules to faults to the delay for each seed, None where the fault was missed."""


def diagnosed(records: Iterable[Record]) -> Iterator[tuple[int, tuple[Finding, ...]]]:
    """The number of each PPO update, with the findings after it."""
    state = RunState()
    for record in records:
        fold(state, record)
        if isinstance(record.event, PPOUpdateCompleted):
            yield record.event.update, project(state).findings


def recorded(events: Iterable[Event]) -> Iterator[Record]:
    """The events as the records of a log."""
    for seq, event in enumerate(events):
        yield Record(run="r", producer="p", epoch=1, seq=seq, emitted_ns=seq, received_ns=seq, event=event)


def first_said(fault: Fault, config: TrainingConfig) -> dict[str, int]:
    """For each rule, the number of updates from the beginning of the fault to its first finding."""
    said: dict[str, int] = {}
    for update, findings in diagnosed(recorded(faulty_run(fault, config))):
        for finding in findings:
            said.setdefault(finding.rule, update - fault.begins)
    return said


def raised(records: Iterable[Record]) -> tuple[Counter[str], int]:
    """How often each rule began to apply, and the number of updates in all."""
    counts: Counter[str] = Counter()
    before: set[tuple[str, str | None]] = set()
    updates = 0
    for _, findings in diagnosed(records):
        now = {(finding.rule, finding.head) for finding in findings}
        counts.update(rule for rule, _ in now - before)
        before, updates = now, updates + 1
    return counts, updates


def page(
    delays: dict[str, dict[str, list[int | None]]], healthy: Counter[str], runs: int, updates: int
) -> str:
    """The page, as Markdown."""
    wrong = dict.fromkeys(SEVERITIES, 0)
    rows = []
    for rule in RULES:
        wrong[rule.severity] += healthy[rule.id]
        delay = OWN_BOUNDS if rule.per_metric else _soonest(delays[rule.id])
        cells = (f"[`{rule.id}`](#{rule.id})", rule.severity, delay, healthy[rule.id])
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    head = INTRODUCTION.format(
        gap=GAP, seeds=len(SEEDS), runs=runs, updates=f"{updates:,}", **wrong, rules=len(RULES)
    )
    return "\n".join([head, *rows, "", *(_section(rule, delays[rule.id]) for rule in RULES)])


OWN_BOUNDS = "by the run's own bounds"
SEVERITIES = ("critical", "warning")
INTRODUCTION = """\
# Findings

What `esper diagnose` and the screen can find wrong with a training. There are {rules} rules, as data in
`esper_schemas/rules/rules.py`; the symptoms that they look at are data in `esper_schemas/rules/watches.py`.
This page is written by `python docs/make_findings.py RUN...`.

The fold remembers streaks of values beyond a bound; a streak goes on over at most {gap} updates in a row
without such a value. A rule applies when a streak is long enough: some updates late, but never because of a
single outlier. A finding ends with its streak; one about values that were not finite remains. `esper diagnose
PATH` judges an old log by the bands of the catalogue, or by those of a file (`--thresholds`).

One more finding is about the recording: `duplicate_rank` (critical), where several processes train as the
same rank at the same time, so that the run's numbers are those of one of them. It follows from the times of
their events.

The remedies to try first follow Schulman, "Nuts and bolts of deep RL experimentation"; Andrychowicz et al.
2021, "What matters in on-policy reinforcement learning"; Huang et al. 2022, "The 37 implementation details of
proximal policy optimization"; and the documentation of Spinning Up and Stable-Baselines3.

Measured:

- **Delay**: updates between the beginning of a fault and the first finding, in short real trainings (8
  environments, hidden size 32, {seeds} seeds) into which the fault is injected. 0 is the faulty update.
- **Wrong**: how often the rule began to apply in {runs} healthy trainings (`esper ppo`, preset lite, default
  settings, one seed each) of {updates} updates in all, diagnosed after every update. Together: {critical}
  critical findings and {warning} warnings.

| rule | severity | delay | wrong |
|---|---|---|---|"""


def _soonest(faults: dict[str, list[int | None]]) -> str:
    return "; ".join(dict.fromkeys(_range(delays) for delays in faults.values()))


def _counted(delay: str) -> str:
    return f"{delay} update" if delay == "1" else f"{delay} updates"


def _range(delays: list[int | None]) -> str:
    known = sorted(delay for delay in delays if delay is not None)
    missed = f" (missed in {len(delays) - len(known)} of {len(delays)})" if len(known) < len(delays) else ""
    if not known:
        return f"–{missed}"
    return (str(known[0]) if known[0] == known[-1] else f"{known[0]}–{known[-1]}") + missed


def _section(rule: Rule, faults: dict[str, list[int | None]]) -> str:
    words = {fault.name: fault.words for fault in FAULTS}
    made = "\n".join(f"- {words[name]}: {_counted(_range(delays))}" for name, delays in faults.items())
    first = "\n".join(f"- {advice}" for advice in rule.advice)
    title = rule.title.replace("{head}", "(name)").replace("{metric}", "(metric)")
    parts = (f"## {rule.id}", f"{title}: a {rule.severity} finding.", "Try first:", first)
    found = () if rule.per_metric else ("Injected, and found after:", made)
    return "\n\n".join([*parts, *found, ""])


def measured_delays() -> Delays:
    """The delays of all rules, measured by injecting every fault with every seed."""
    delays: Delays = {rule.id: {} for rule in RULES}
    for fault in FAULTS:
        for seed in SEEDS:
            config = TrainingConfig(
                environments=8, hidden_size=32, threads=1, seed=seed, episodes=fault.updates + EXTRA_UPDATES
            )
            said = first_said(fault, config)
            sys.stdout.write(f"{fault.name}, seed {seed}: {said}\n")
            for rule in fault.rules:
                delays[rule].setdefault(fault.name, []).append(said.get(rule))
    return delays


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a recording of a healthy training")
    runs = parser.parse_args().runs
    torch.set_num_threads(1)
    healthy: Counter[str] = Counter()
    updates = 0
    for run in runs:
        counts, made = raised(read_records(run))
        healthy, updates = healthy + counts, updates + made
        sys.stdout.write(f"{run}: {made} updates, {dict(counts)}\n")
    PAGE.write_text(page(measured_delays(), healthy, len(runs), updates), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
