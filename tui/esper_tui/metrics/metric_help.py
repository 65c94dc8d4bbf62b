"""The help of one metric: what it is, when it is healthy, what to do when it is not, and its history."""

from collections.abc import Iterator
from math import isfinite

from esper_schemas.metrics.catalogue import MetricField
from esper_schemas.metrics.metric import Good
from esper_schemas.policy_heads import split_own
from esper_schemas.rules.finding_metrics import MEASURED_BY, MEASURED_BY_OF_HEADS
from esper_schemas.rules.rules import RULES
from esper_schemas.rules.watches import WATCHES
from esper_schemas.run_metrics import metric_field
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import History
from esper_tui.charts.block_chart import BAR_WIDTH, chart
from esper_tui.metrics.beyond_bands import standing, standing_text
from esper_tui.metrics.bounds_text import critical_words, ok_words
from esper_tui.metrics.metric_value import history_of
from esper_tui.text.explanation import TERM_WIDTH, term_rows
from esper_tui.text.numbers import significant
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, crop, left

CHART_ROWS = 3


def about_metric(snapshot: SanctumSnapshot, name: str, width: int) -> Rows:
    """The metric's help, what findings and bands say about its value, the definition that the trainer's
    library uses, and the recent history, if known.
    """
    field = metric_field(snapshot.tamiyo, name)
    values = history_of(snapshot, name)
    history = history_rows(values, field.metric.precision, width) if values else ()
    now = standing_text(snapshot, name, standing(snapshot, name))
    here = term_rows("Now", now, width) if now else ()
    return (*metric_help(field, width), *here, *_convention(snapshot, name, width), *history)


def _convention(snapshot: SanctumSnapshot, name: str, width: int) -> Iterator[Row]:
    """Which of several definitions of a metric the values follow, which matters where they are compared."""
    convention = clean(snapshot.run.conventions.get(name, ""))
    if convention:
        kind = "estimator " if name.endswith("kl_divergence") else ""
        yield from term_rows("Convention", f"{kind}{convention}, as the trainer's library logs it", width)


def advice_for(field: MetricField) -> tuple[str, ...]:
    """The metric's own advice, then that of the rules of which the metric is a symptom."""
    own = (field.metric.advice,) if field.metric.advice else ()
    quantity = field.name.removeprefix(f"head_{field.head}_") if field.head else field.name
    if split := split_own(field.name):
        quantity = split[1]
    per_head = field.head is not None
    table = MEASURED_BY_OF_HEADS if per_head else MEASURED_BY
    watches = (watch for watch in WATCHES if watch.per_head == per_head)
    watched = {w.name for w in watches if quantity in (w.bands_of, *table.get(w.quantity, (w.quantity,)))}
    rules = (rule for rule in RULES if any(sign.symptom in watched for sign in rule.signs))
    return (*own, *dict.fromkeys(text for rule in rules for text in rule.advice))


def metric_help(field: MetricField, width: int) -> Iterator[Row]:
    """What the metric is, when it is healthy, and what to try when it is not."""
    metric = field.metric
    identity = " · ".join(part for part in (metric.id, clean(field.name), metric.unit) if part)
    yield (Span(f"{metric.label}  ", Tone.TITLE), Span(crop(identity, max(width - 20, 0)), Tone.DIM))
    yield from term_rows("Question", metric.question, width)
    yield from term_rows("Meaning", metric.meaning, width)
    share = " of its maximum" if metric.share_of_maximum else ""
    bounds = [words + share for words in (ok_words(metric), critical_words(metric)) if words]
    good = "" if metric.good is Good.NEITHER else f"ideally {metric.good.value}"
    yield from term_rows("Healthy", ", ".join([*bounds, *([good] if good else [])]) or "no bounds", width)
    for text in advice_for(field)[:3]:
        yield from term_rows("Advice", text, width)


def history_rows(values: History, precision: int, width: int) -> Rows:
    """A chart of the last values that fit; below it the first and the last of them and, where there is room,
    their range.
    """
    shown = values[-max((width - TERM_WIDTH) // BAR_WIDTH, 1) :]
    ends = f"{significant(shown[0], 9, precision)} → {significant(shown[-1], 9, precision)}"
    ranged = f"{ends}, {_range(shown, precision)}"
    ends = ranged if len(ranged) <= width - TERM_WIDTH else ends
    labels = ("History", f"of {len(shown)}", *[""] * (CHART_ROWS - 2))
    bars = chart(shown, CHART_ROWS)
    drawn = tuple((left(t, TERM_WIDTH, Tone.LABEL), *row) for t, row in zip(labels, bars, strict=True))
    return (*drawn, (Span(" " * TERM_WIDTH), Span(ends, Tone.DIM)))


def _range(values: History, precision: int) -> str:
    """The smallest and the largest value, by which a chart is scaled."""
    finite = [value for value in values if value is not None and isfinite(value)]
    if not finite:
        return "no finite value"
    low, high = (significant(value, 9, precision) for value in (min(finite), max(finite)))
    return f"from {low} to {high}" if min(finite) < max(finite) else f"constant at {low}"
