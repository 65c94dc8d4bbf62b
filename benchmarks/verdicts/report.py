"""The results as tables of text."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from benchmarks.verdicts.measure import Amount, Confusion, FaultResult, HealthyResult, Measurement
from benchmarks.verdicts.table import FAULTS, Fault, Half, place_of

from esper_schemas.rules.rules import RULES

_WORST = 3
MAX_ONSET_ERROR = 3


def report(halves: dict[Half, Measurement]) -> Iterator[str]:
    """The lines of the report: all halves with recordings, the measured one last."""
    for half, result in halves.items():
        if not result.amounts:
            continue
        yield f"== {half}: {PURPOSES[half]}"
        yield ""
        yield from amount_table(result)
        yield ""
        yield from healthy_lines(result.healthy)
        yield ""
        yield from rule_table(result)
        yield ""
        yield from fault_table(result, half)
        yield ""
        yield from goals(result)
        yield ""


PURPOSES: dict[Half, str] = {
    "tuning": "bounds may be chosen on these",
    "seen": "looked at while rules changed",
    "measured": "only measured",
}


def amount_table(result: Measurement) -> Iterator[str]:
    """One row for each trainer and task: how many recordings and updates there are."""
    rows: list[tuple[str, ...]] = [("trainer", "task", "without fault", "updates", "with fault", "updates")]
    rows += [(*key, *_amount(amount)) for key, amount in sorted(result.amounts.items())]
    rows.append(("all", "", *_amount(total(result.amounts.values()))))
    yield from _table(rows)


def _amount(amount: Amount) -> tuple[str, ...]:
    counts = amount.recordings, amount.updates, amount.faulty, amount.faulty_updates
    return tuple(f"{count:,}" for count in counts)


def total(amounts: Iterable[Amount]) -> Amount:
    """The sum of some amounts."""
    result = Amount()
    for amount in amounts:
        result.recordings += amount.recordings
        result.updates += amount.updates
        result.faulty += amount.faulty
        result.faulty_updates += amount.faulty_updates
    return result


def healthy_lines(healthy: HealthyResult) -> Iterator[str]:
    """What was found in trainings without a fault."""
    updates = healthy.updates or 1
    parts = [
        f"{healthy.alarms[severity]} {severity} ({1000 * healthy.alarms[severity] / updates:.2f} per 1,000 "
        f"updates, in {healthy.with_alarms[severity]} trainings)"
        for severity in ("critical", "warning", "notice")
    ]
    yield (
        f"{healthy.trainings} healthy trainings, {healthy.updates:,} updates, and {healthy.fallen} around "
        f"falls of the return; false findings: {', '.join(parts)}"
    )
    for outcome, (trainings, made) in healthy.others.items():
        yield f"{outcome}: {trainings} trainings, {made:,} updates"
    yield f"without learning: {', '.join(healthy.not_learned) or 'none'}"


def goals(result: Measurement) -> Iterator[str]:
    """How far the results are from what the findings are meant to reach."""
    healthy, updates = result.healthy, result.healthy.updates or 1
    loud = [result.faults[fault.name] for fault in FAULTS if fault.kind == "loud" and _known(fault, result)]
    silent = [
        result.faults[fault.name] for fault in FAULTS if fault.kind == "silent" and _known(fault, result)
    ]
    onsets = [error for outcome in loud for error in outcome.hurt_onset_errors]
    at_once = sum(delay == 0 for outcome in silent for delay in outcome.delays)
    near = sum(abs(error) <= MAX_ONSET_ERROR for error in onsets)
    yield f"critical findings in healthy trainings: {healthy.alarms['critical']} (goal 0)"
    yield f"warnings per 2,000 healthy updates: {2000 * healthy.alarms['warning'] / updates:.1f} (goal 2)"
    found = _share(sum(o.hurt_and_found for o in loud), sum(o.hurt for o in loud))
    yield f"loud faults with damage: {found} found (goal 98 %)"
    yield f"their onset within {MAX_ONSET_ERROR} updates: {_share(near, len(onsets))}"
    trainings = sum(outcome.trainings for outcome in silent)
    yield f"silent faults: {_share(sum(outcome.found for outcome in silent), trainings)} found"
    yield f"in the first faulty update: {_share(at_once, trainings)}"


def _known(fault: Fault, result: Measurement) -> bool:
    return fault.name in result.faults


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" + (f" ({100 * part / whole:.0f} %)" if whole else "")


def rule_table(result: Measurement) -> Iterator[str]:
    """One row for each rule: how often it was right and wrong."""
    order = [rule.id for rule in RULES]
    order += sorted(set(result.rules) - set(order))
    head = ("rule", "hits", "misses", "by all", "delay", "onset", "crit/1k", "warn/1k", "note/1k", "flat",
            "in falls", "unlearned", "other", "wrong on", "missed by all")  # fmt: skip
    rows: list[tuple[str, ...]] = [head]
    for rule in order:
        counts = result.rules.get(rule, Confusion())
        rows.append((rule, *_rule_row(counts, result.healthy.updates or 1)))
    yield from _table(rows)


def _rule_row(counts: Confusion, updates: int) -> tuple[str, ...]:
    return (
        str(counts.hits),
        str(counts.misses),
        str(counts.missed_by_all.total()),
        spread(counts.delays),
        spread(counts.onset_errors),
        f"{1000 * counts.false['critical'] / updates:.2f}",
        f"{1000 * counts.false['warning'] / updates:.2f}",
        f"{1000 * counts.false['notice'] / updates:.2f}",
        str(counts.true_of_flat),
        str(counts.in_falls),
        str(counts.unlearned),
        str(counts.secondary),
        most_common(counts.false_in),
        most_common(counts.missed_by_all),
    )


def most_common(counts: Counter[str], number: int = _WORST) -> str:
    """The most frequent names, with how often each occurred."""
    return ", ".join(f"{name} {count}" for name, count in counts.most_common(number) if count)


def fault_table(result: Measurement, half: Half) -> Iterator[str]:
    """One row for each fault: where it was injected, and in how many trainings it was named."""
    head = ("fault", "kind", "found", "hurt", "delay", "onset", "found instead", "missed in", "injected")
    rows: list[tuple[str, ...]] = [head]
    for fault in FAULTS:
        outcome = result.faults.get(fault.name)
        if outcome is not None:
            rows.append((fault.name, fault.kind, *_fault_row(outcome), fault.places[place_of(half)]))
    yield from _table(rows)


def _fault_row(outcome: FaultResult) -> tuple[str, ...]:
    return (
        f"{outcome.found}/{outcome.trainings}",
        f"{outcome.hurt_and_found}/{outcome.hurt}",
        spread(outcome.delays),
        spread(outcome.onset_errors),
        most_common(outcome.other_rules),
        ", ".join(outcome.missed[:_WORST]) + ", …" * (len(outcome.missed) > _WORST),
    )


def spread(values: Sequence[int]) -> str:
    """Median and extremes of some numbers, or a dash."""
    if not values:
        return "–"
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{median(values):g} ({low}…{high})"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
