"""What there is to know about one metric: what it is, what is healthy, what to do, and how it went."""

import textwrap
from collections.abc import Iterator

from esper_schemas.catalogue import QUANTITIES, MetricField
from esper_schemas.diagnosis.rules import RULES
from esper_schemas.diagnosis.watches import WATCHES
from esper_schemas.metric import Good
from esper_schemas.state import HISTORY_METRICS, TamiyoState
from esper_tui.chart import chart
from esper_tui.numbers import number
from esper_tui.rows import Row, Rows, Span, Tone, crop, left
from esper_tui.words import critical_words, ok_words

TERM_WIDTH = 12
CHART_ROWS = 3


def about_metric(state: TamiyoState, name: str, width: int) -> Rows:
    """The metric's help and, where it has one, its recent history."""
    return (*_help(QUANTITIES[name], width), *_history(state, name, width))


def advice_for(name: str) -> tuple[str, ...]:
    """What practitioners try first where this metric is what gives a finding away."""
    field = QUANTITIES[name]
    quantity = name.removeprefix(f"head_{field.head}_") if field.head else name
    per_head = field.head is not None
    watched = {w.name for w in WATCHES if quantity in (w.quantity, w.bands_of) and w.per_head == per_head}
    rules = (rule for rule in RULES if any(sign.symptom in watched for sign in rule.signs))
    return tuple(dict.fromkeys(text for rule in rules for text in rule.advice))


def _help(field: MetricField, width: int) -> Iterator[Row]:
    metric = field.metric
    identity = " · ".join(part for part in (metric.id, field.name, metric.unit) if part)
    yield (Span(f"{metric.label}  ", Tone.TITLE), Span(crop(identity, max(width - 20, 0)), Tone.DIM))
    yield from _entry("Asks", metric.question, width)
    yield from _entry("Is", metric.meaning, width)
    share = " of its maximum" if metric.share_of_maximum else ""
    bounds = [words + share for words in (ok_words(metric), critical_words(metric)) if words]
    good = "" if metric.good is Good.NEITHER else f"better while {metric.good.value}"
    yield from _entry("Healthy", ", ".join([*bounds, *([good] if good else [])]) or "has no bounds", width)
    for text in advice_for(field.name)[:3]:
        yield from _entry("Try", text, width)


def _entry(term: str, text: str, width: int) -> Iterator[Row]:
    for place, line in enumerate(textwrap.wrap(text, max(width - TERM_WIDTH, 10))):
        yield (left("" if place else term, TERM_WIDTH, Tone.LABEL), Span(line))


def _history(state: TamiyoState, name: str, width: int) -> Rows:
    if name not in HISTORY_METRICS or not state.ppo_data_received:
        return ()
    values = getattr(state, f"{name}_history")
    finite = QUANTITIES[name].metric.precision
    ends = f"{number(values[0], finite, 9)} → {number(values[-1], finite, 9)}" if values else ""
    labels = ("History", f"of {len(values)}", "")
    bars = chart(values[-(max(width - TERM_WIDTH, 0) // CHART_ROWS) :], CHART_ROWS)
    drawn = tuple((left(t, TERM_WIDTH, Tone.LABEL), *row) for t, row in zip(labels, bars, strict=True))
    return (*drawn, (Span(" " * TERM_WIDTH), Span(ends, Tone.DIM)))
