"""Write the reference of findings: every rule, and how often it was right and wrong.

    python -m docs.make_findings [--corpus DIR]

Replays the recordings of `benchmarks/verdicts`, which takes some minutes, and writes
docs/reference/findings.md. Only the measured half counts.
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from benchmarks.verdicts.measure import Confusion, FaultResult, Measurement, measure
from benchmarks.verdicts.outcome import CHANCE, DAMAGE, FALLEN, RISE, SHARE, WINDOW
from benchmarks.verdicts.record import CORPUS
from benchmarks.verdicts.recording_file import SUFFIX
from benchmarks.verdicts.replay import read_halves, replay_all
from benchmarks.verdicts.report import goals, most_common, spread, total
from benchmarks.verdicts.table import FAULTS, SEEDS, Half, half_of, place_of
from docs.rule_sections import all_sections, listed

from esper_schemas.rules.rules import RULES
from esper_schemas.rules.watch import GAP
from esper_schemas.rules.watches import WATCHES

PAGE = Path(__file__).parent / "reference" / "findings.md"
HALF: Half = "measured"

INTRODUCTION = """\
# Findings

What `esper diagnose` and the screen can find wrong with a training. There are {rules} rules, as data in
`esper_schemas/rules`, and so are the symptoms that they look at. This page is written by
`python -m docs.make_findings`.

The fold remembers streaks of values beyond a bound; a streak continues over at most {gap} updates in a row
without such a value. A rule applies when a streak is long enough: some updates late, but never because of a
single outlier, unless it says so. A finding ends with its streak; one about values that were not finite
remains. A run is judged by the bands of the catalogue and the levels of the [watches](watches.md), or by
[thresholds](../how-to/set-thresholds.md) that were recorded with it or are given to a reader.

Some findings are about the recording rather than the training:

- `duplicate_rank` (critical): several processes train as the same rank at the same time, so that the run's
  numbers are those of one of them. It follows from the times of their events.
- `data_lost` (warning): events are missing in the log, were dropped or are not valid, values were left out,
  or the trainer made updates after the last recorded one. What is missing was not judged. An open end is not
  such a loss, as a running training has one too; `esper diagnose` states it.
- `implausible_value` (warning): a value is outside of the range of its metric, such as an explained variance
  of 1.7. It is another quantity, or has another unit or sign, and no other rule reads it.
- `thresholds_ignored` (warning): the thresholds that the run gives cannot be used.
- `training_failed` (critical): the trainer ended with an error, which is the evidence.

The remedies to try first follow Schulman, "Nuts and bolts of deep RL experimentation"; Andrychowicz et al.
2021, "What matters in on-policy reinforcement learning"; Huang et al. 2022, "The 37 implementation details of
proximal policy optimization"; and the documentation of Spinning Up and Stable-Baselines3.

## How often they are right

Measured on recorded trainings (`benchmarks/verdicts`), replayed update by update. The half for tuning (seeds
{tuning}) has faults in settings and environments; bounds may be chosen on it. Recordings of seeds {seen} were
looked at while rules changed. Every number below is from the measured half, with other seeds, further tasks,
and faults in the rollout store, targets, loss and minibatches.

After the measured half had been looked at, one bound was changed: the entropy of a head has to fall by a
factor of 7 instead of 5 within three updates to be a sign of collapse. With 5 there were 2 critical findings
in a healthy training of ours, in which it fell by 5.1; the numbers below are those with 7. Former measured
halves, in which rules had 29, then 3 and then 1 critical findings in healthy trainings, are among the
recordings that were looked at.

{amounts}

What came of a training is decided by the true returns of its episodes alone, before any rule is looked at:

- **Healthy** is a training without a fault that learned: in its last quarter, the mean return is above what
  Gymnasium calls solved, or it still varies and is above the median of the first {window} updates by at least
  {rise:g} of their deviations and {share:.0%} of it. The updates around a fall, in which the mean return had
  lost {fallen:.0%} of what had been learned, and more than it varies, do not count: {fallen_updates} updates.
- {others}
- A fault **did damage** if it ended the training, or the mean return fell below that of the healthy twin, the
  same training without the fault, by {damage:g} of its deviations, by {share:.0%} of what it had learned,
  and by {chance:g} standard errors, so that it is not chance.

{healthy}

Together:

{goals}

Columns: *named*, the trainings with a fault that the rule is about in which it applied, and their number;
*missed*, those in which no rule named the fault; *delay*, the updates from the beginning of the fault to the
finding, 0 being the faulty update itself, and *onset*, the error of the update that the finding names, as
median (smallest … largest); *wrong*, how often it began to apply per 1,000 healthy updates, and on what.

| rule | severity | named | missed | delay | onset | wrong | on |
|---|---|---|---|---|---|---|---|
"""


def page(result: Measurement) -> str:
    """The page, as Markdown."""
    healthy = result.healthy
    introduction = INTRODUCTION.format(
        rules=len(RULES),
        gap=GAP,
        tuning=_seeds("tuning"),
        seen=_seeds("seen"),
        amounts="\n".join(_amounts(result)),
        window=WINDOW,
        rise=RISE,
        share=SHARE,
        fallen=FALLEN,
        fallen_updates=f"{healthy.fallen:,}",
        damage=DAMAGE,
        chance=CHANCE,
        others=_others(result),
        healthy=_healthy(result),
        goals="\n".join(f"- {line}" for line in goals(result)),
    )
    parts = [introduction + "\n".join(_rows(result)), "", *_faults(result)]
    return "\n".join([*parts, *all_sections(result.rules, healthy.updates), fingerprint(), ""])


def _seeds(half: Half) -> str:
    return f"{min(SEEDS[half])}-{max(SEEDS[half])}"


def _amounts(result: Measurement) -> Iterator[str]:
    yield "| trainer | task | trainings | updates | with a fault | updates |"
    yield "|---|---|---|---|---|---|"
    rows = [*sorted(result.amounts.items()), (("all", ""), total(result.amounts.values()))]
    for (trainer, task), amount in rows:
        counts = amount.recordings, amount.updates, amount.faulty, amount.faulty_updates
        yield _row(trainer, task, *(f"{count:,}" for count in counts))


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _others(result: Measurement) -> str:
    parts = [
        f"{trainings} trainings of {updates:,} updates have the outcome *{outcome}*"
        for outcome, (trainings, updates) in result.healthy.others.items()
    ]
    if not parts:
        return "All others learned, too."
    return f"{', '.join(parts)}; what is found in them is neither right nor wrong."


def _healthy(result: Measurement) -> str:
    healthy = result.healthy
    return (
        f"In {healthy.trainings} healthy trainings of {healthy.updates:,} updates there were "
        f"{healthy.alarms['critical']} critical findings, {healthy.alarms['warning']} warnings and "
        f"{healthy.alarms['notice']} notices."
    )


def _rows(result: Measurement) -> Iterator[str]:
    updates = result.healthy.updates or 1
    for rule in RULES:
        counts = result.rules.get(rule.id, Confusion())
        trainings = counts.hits + counts.misses
        yield _row(
            f"[`{rule.id}`](#{rule.id})",
            rule.severity,
            f"{counts.hits} of {trainings}" if trainings else "–",
            counts.missed_by_all.total() if trainings else "–",
            spread(counts.delays),
            spread(counts.onset_errors),
            f"{1000 * counts.false.total() / updates:.2f}",
            listed(counts.false_in) or "–",
        )


def _faults(result: Measurement) -> Iterator[str]:
    yield "The faults, where they were injected, and in how many trainings a rule named them:\n"
    yield "| fault | kind | injected | named | with damage | delay | onset | found instead |"
    yield "|---|---|---|---|---|---|---|---|"
    for fault in FAULTS:
        outcome = result.faults.get(fault.name)
        if outcome is not None:
            yield _row(fault.name, fault.kind, fault.places[place_of(HALF)], *_fault(outcome))
    yield ""


def _fault(outcome: FaultResult) -> tuple[str, ...]:
    return (
        f"{outcome.found} of {outcome.trainings}",
        f"{outcome.hurt_and_found} of {outcome.hurt}",
        spread(outcome.delays),
        spread(outcome.onset_errors),
        most_common(outcome.other_rules) or "–",
    )


_MARK = re.compile(r"<!-- measured with rules \w+, recordings \w+ -->")


def fingerprint() -> str:
    """What the numbers of the page depend on: the rules without their words, and the recordings."""
    return f"<!-- measured with rules {_digest(_rules())}, recordings {_digest(_recordings())} -->"


def fingerprint_of(text: str) -> str:
    """The fingerprint in a page; "" if it has none."""
    found = _MARK.search(text)
    return found[0] if found else ""


def _digest(parts: Iterator[object]) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:12]


def _rules() -> Iterator[object]:
    for item in (*RULES, *WATCHES):
        yield [getattr(item, field.name) for field in fields(item) if field.name not in _WORDS]


_WORDS = ("title", "advice", "text", "context")


def _recordings() -> Iterator[object]:
    for path in sorted(CORPUS.glob(f"*{SUFFIX}")):
        if half_of(int(path.stem.split("-")[2])) == HALF:
            yield path.name, hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=CORPUS, metavar="DIR", help="the recordings")
    parser.add_argument("--to", type=Path, default=PAGE, metavar="FILE", help="where to write")
    options = parser.parse_args()
    runs = replay_all(read_halves(options.corpus, (HALF,)))
    options.to.write_text(page(measure(runs)[HALF]), encoding="utf-8")
    sys.stdout.write(f"{options.to}\n")


if __name__ == "__main__":
    main()
