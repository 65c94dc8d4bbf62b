"""The results as tables of text."""

from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.verdicts.measure import Confusion, FaultResult, HealthyResult, Measurement
from benchmarks.verdicts.table import FAULTS, Fault, Half

from esper_schemas.rules.rules import RULES

_WORST = 3
MAX_ONSET_ERROR = 3


def report(halves: dict[Half, Measurement]) -> Iterator[str]:
    """The lines of the report: both halves, the measured one last."""
    for half, result in halves.items():
        yield f"== {half} half"
        yield from ("", healthy_line(result.healthy))
        yield f"not learned within their updates: {', '.join(result.healthy.not_learned) or 'none'}"
        yield ""
        yield from rule_table(result)
        yield ""
        yield from fault_table(result, half)
        yield ""
        yield from goals(result)
        yield ""


def healthy_line(healthy: HealthyResult) -> str:
    """What was found in healthy trainings, in one line."""
    updates = healthy.updates or 1
    parts = [
        f"{healthy.alarms[severity]} {severity} ({1000 * healthy.alarms[severity] / updates:.2f} per 1,000 "
        f"updates, in {healthy.with_alarms[severity]} trainings)"
        for severity in ("critical", "warning")
    ]
    return (
        f"{healthy.trainings} healthy trainings, {healthy.learned} of which learned, {healthy.updates:,} "
        f"updates; false findings: {', '.join(parts)}"
    )


def goals(result: Measurement) -> Iterator[str]:
    """How far the results are from what the findings are meant to reach."""
    healthy, updates = result.healthy, result.healthy.updates or 1
    loud = [result.faults[fault.name] for fault in FAULTS if fault.kind == "loud" and _known(fault, result)]
    silent = [
        result.faults[fault.name] for fault in FAULTS if fault.kind == "silent" and _known(fault, result)
    ]
    onsets = [error for outcome in loud for error in outcome.onset_errors]
    near = sum(abs(error) <= MAX_ONSET_ERROR for error in onsets)
    yield f"critical findings in healthy trainings: {healthy.alarms['critical']} (goal 0)"
    yield f"warnings per 2,000 healthy updates: {2000 * healthy.alarms['warning'] / updates:.1f} (goal 2)"
    found = _share(sum(o.hurt_and_found for o in loud), sum(o.hurt for o in loud))
    yield f"loud faults with damage: {found} found (goal 98 %)"
    yield f"their onset within {MAX_ONSET_ERROR} updates: {_share(near, len(onsets))}"
    yield f"silent faults: {_share(sum(o.found for o in silent), sum(o.trainings for o in silent))} found"


def _known(fault: Fault, result: Measurement) -> bool:
    return fault.name in result.faults


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" + (f" ({100 * part / whole:.0f} %)" if whole else "")


def rule_table(result: Measurement) -> Iterator[str]:
    """One row for each rule: how often it was right and wrong."""
    order = [rule.id for rule in RULES]
    order += sorted(set(result.rules) - set(order))
    head = ("rule", "hits", "misses", "by all", "delay", "onset", "crit/1k", "warn/1k", "flat", "other", "on")
    rows: list[tuple[str, ...]] = [head]
    for rule in order:
        counts = result.rules.get(rule, Confusion())
        rows.append((rule, *_rule_row(counts, result.healthy.updates or 1)))
    yield from _table(rows)


def _rule_row(counts: Confusion, updates: int) -> tuple[str, ...]:
    worst = ", ".join(f"{where} {count}" for where, count in counts.false_in.most_common(_WORST))
    return (
        str(counts.hits),
        str(counts.misses),
        str(counts.missed_by_all),
        spread(counts.delays),
        spread(counts.onset_errors),
        f"{1000 * counts.false['critical'] / updates:.2f}",
        f"{1000 * counts.false['warning'] / updates:.2f}",
        str(counts.true_of_flat),
        str(counts.secondary),
        worst,
    )


def fault_table(result: Measurement, half: Half) -> Iterator[str]:
    """One row for each fault: where it was injected, and in how many trainings it was named."""
    head = ("fault", "kind", "found", "hurt", "delay", "onset", "found instead", "missed in", "injected")
    rows: list[tuple[str, ...]] = [head]
    for fault in FAULTS:
        outcome = result.faults.get(fault.name)
        if outcome is not None:
            rows.append((fault.name, fault.kind, *_fault_row(outcome), fault.places[half]))
    yield from _table(rows)


def _fault_row(outcome: FaultResult) -> tuple[str, ...]:
    return (
        f"{outcome.found}/{outcome.trainings}",
        f"{outcome.hurt_and_found}/{outcome.hurt}",
        spread(outcome.delays),
        spread(outcome.onset_errors),
        ", ".join(f"{rule} {count}" for rule, count in outcome.other_rules.most_common(_WORST)),
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
