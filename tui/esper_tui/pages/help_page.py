"""The help page: keys, states, symbols, and the metrics of losses and heads, each from its table.

The help of all other numbers is in their opened panels.
"""

import textwrap
from collections.abc import Iterable, Iterator

from esper_schemas.findings import VerdictWord
from esper_schemas.judgement import HeadCondition, Health
from esper_schemas.metrics import LossRatio
from esper_schemas.metrics.metric import Metric
from esper_schemas.state import Trend
from esper_tui.charts.plot import CRITICAL_AREA, WARNING_AREA
from esper_tui.control.chart_commands import CHART_COMMANDS
from esper_tui.control.commands import COMMANDS, ScreenCommand, key_of
from esper_tui.metrics.bounds_text import critical_words, head_metric, metric_of, ok_words
from esper_tui.pages.chart_marks import SYMBOLS as SYMBOLS_OF_MARKS
from esper_tui.panels.header import PAST
from esper_tui.panels.panel_registry import PANELS
from esper_tui.text.spans import Row, Rows, Span, Tone, fit, left
from esper_tui.text.theme import ARROWS, CONDITIONS, MARKS
from esper_tui.view.connection_status import SYMBOLS

INDENT = 16
_NO_BREAK = "\xa0"  # A blank at which no line is broken.
LOSSES_METRICS = (
    "explained_variance",
    "kl_divergence",
    "clip_fraction",
    "clip_fraction_positive",
    "clip_fraction_negative",
    "joint_ratio_max",
    "joint_ratio_min",
    "policy_loss",
    "value_loss",
)
HEADS_FAMILIES = ("entropy", "ratio_max", "ratio_min", "grad_norm")
CONDITION_WORDS: dict[HeadCondition, str] = {
    HeadCondition.HEALTHY: "Makes choices and still explores.",
    HeadCondition.UNREMARKABLE: "Neither clearly healthy nor a problem.",
    HeadCondition.CONFUSED: "Almost uniform, although it has a gradient to learn from.",
    HeadCondition.DETERMINISTIC: "Nearly always the same choice.",
    HeadCondition.DEAD: "Nearly always the same choice, and hardly any gradient to change that.",
    HeadCondition.EXPECTED_DETERMINISTIC: "The masks leave no other choice.",
    HeadCondition.EXPLODING: "A gradient norm beyond its critical bound.",
    HeadCondition.NOT_FINITE: "Its entropy or its gradient is NaN or infinite.",
    HeadCondition.NOT_MEASURED: "Its entropy or its gradient was not measured.",
    HeadCondition.WAITING: "There has been no update yet.",
}
PANEL_WORDS: dict[str, str] = {
    "losses": "The update: losses, KL, clipping, ratios; also entropy and learning rate where the panels of "
    "their groups have nothing else to show.",
    "findings": "What the rules conclude, since when, and what to try first.",
    "return": "The mean return of every rollout of the run, and that of always choosing WAIT.",
    "heads": "Each action head: entropy, ratios, gradient, state.",
    "scalars": "What the run logs under names of its own, by prefix: first those beyond their own bounds, "
    "then those that it describes, then by name. Large groups are collapsed; a number that the last updates "
    "lack is dim.",
    "health": "Advantages, gradients, entropy and log-probabilities of the update.",
    "value": "The critic: explained variance, errors, values, returns.",
    "gradients": "Gradients of the layers, the LSTM, and the settings of the optimiser.",
    "slots": "Stages of the seeds in their slots, for trainers that grow networks.",
    "anomalies": "Reports of the trainer's own detector, and its telemetry level.",
    "vitals": "Speed, machine, checkpoints.",
    "link": "Whether events were lost on their way.",
    "ranks": "The processes of the trainer.",
    "log": "The trainer's warnings and errors.",
    "events": "The last events.",
    "charts": "Metrics over the whole run, in rows that no other panel needs.",
}
ABSENT_WORDS = (
    "A panel of which the run has measured nothing leaves its place to the others; it appears with its first "
    f"number and stays. When a panel is opened, {key_of('select_next')} also reaches those without a place. "
    f"{key_of('hide')} hides a panel until {key_of('show_all')}, whatever is measured."
)
MARK_WORDS = (
    f"{MARKS[Health.WARNING]} {MARKS[Health.CRITICAL]} a warning or a critical finding is about it   "
    f"{MARKS[Health.OK]} within its bounds   no mark: not measured, without bounds, or beyond them without a "
    "finding"
)
COLOUR_WORDS = (
    "Yellow and red values are beyond the bands of their metric, as happens in most healthy runs; what a "
    "critical finding is about is bold. An opened panel says whether a value is usual for the run, or since "
    "when it is beyond its bands."
)
VERDICT_WORDS = (
    f"What FINDINGS mean together: {VerdictWord.CRITICAL} or {VerdictWord.SUSPICIOUS}, with the worst "
    f"finding and since when it holds; {VerdictWord.HEALTHY} without one; {VerdictWord.CONVERGED} if the "
    f"policy hardly explores and does as well as ever; {VerdictWord.NO_DATA} before the first update."
)
PAST_WORDS = (
    "An earlier update is shown, with all that was known then; beside it the present state of the run, and "
    "by how many updates that is ahead."
)
CHART_WORDS = {
    "lines": "The mean of the values behind each dot, or its moving average; in fewer dots behind it, from "
    "the smallest to the largest of them. × is not finite: infinity at the top, NaN at the bottom.",
    "areas": f"{WARNING_AREA} {CRITICAL_AREA} beyond the warning and the critical bounds of the metric.",
}
LATCH_WORDS = "Whether a number of the head has ever been NaN or infinite in this run."


def help_rows(width: int) -> Rows:
    """The whole page for a width."""
    return tuple(fit((Span(" "), *row), width) for row in _page(max(width - 2, INDENT + 10)))


def _page(width: int) -> Iterator[Row]:
    for title, section in (
        ("KEYS", _keys(COMMANDS, width)),
        ("CHARTS", _charts(width)),
        ("HEADER", _states(width)),
        ("PANELS", _panels(width)),
        ("SYMBOLS", _symbols(width)),
        ("PPO LOSSES", _losses(width)),
        ("ACTION HEADS", _heads(width)),
    ):
        yield ()
        yield (Span(title, Tone.TITLE),)
        yield from section


def _entry(term: Span, text: str, width: int) -> Iterator[Row]:
    """A term and its explanation, wrapped beside it."""
    lines = textwrap.wrap(text, width - INDENT) or [""]
    for number, line in enumerate(lines):
        yield (left("" if number else term.text, INDENT, term.tone), Span(line.replace(_NO_BREAK, " ")))


def _keys(commands: Iterable[ScreenCommand], width: int) -> Iterator[Row]:
    for command in commands:
        yield from _entry(Span(command.all_keys, Tone.KEY), command.help, width)


def _charts(width: int) -> Iterator[Row]:
    """The keys that mean something else on the chart screen, and what is drawn there."""
    yield from _keys(CHART_COMMANDS, width)
    for term, words in CHART_WORDS.items():
        yield from _entry(Span(term, Tone.LABEL), words, width)
    marks = "   ".join(f"{symbol} {kind.replace('_', ' ')}" for kind, symbol in SYMBOLS_OF_MARKS.items())
    yield from _entry(Span("marks", Tone.LABEL), marks, width)


def _states(width: int) -> Iterator[Row]:
    for state, (symbol, shade, meaning) in SYMBOLS.items():
        yield from _entry(Span(f"{symbol} {state.value}"[: INDENT - 1], shade), meaning, width)
    yield from _entry(Span(PAST, Tone.WARNING), PAST_WORDS, width)
    yield from _entry(Span("verdict", Tone.LABEL), VERDICT_WORDS, width)
    text = "Mean return of the last rollout, that of always choosing WAIT, and the difference."
    yield from _entry(Span("return", Tone.LABEL), text, width)


def _panels(width: int) -> Iterator[Row]:
    for panel, words in PANEL_WORDS.items():
        name = PANELS[panel].title.split(" & ")[0]
        yield from _entry(Span(name, Tone.LABEL), words, width)
    yield from _entry(Span("not shown", Tone.LABEL), ABSENT_WORDS, width)


def _symbols(width: int) -> Iterator[Row]:
    yield from _entry(Span("marks", Tone.LABEL), MARK_WORDS, width)
    yield from _entry(Span("colours", Tone.LABEL), COLOUR_WORDS, width)
    arrows = "   ".join(f"{ARROWS[t]} {t.value}" for t in Trend if t is not Trend.UNKNOWN)
    yield from _entry(Span("direction", Tone.LABEL), f"{arrows}   (independent of health)", width)
    values = "– not measured   NaN, Inf not finite   --- undefined   # does not fit"
    yield from _entry(Span("values", Tone.LABEL), values, width)
    yield from _entry(Span("histories", Tone.LABEL), "× not finite   · not measured", width)
    text = f"For every number: {key_of('open')} opens its panel, which explains the row at the cursor."
    yield from _entry(Span("help", Tone.LABEL), text, width)


def _losses(width: int) -> Iterator[Row]:
    for metric in (*map(metric_of, LOSSES_METRICS), LossRatio):
        yield from _metric(metric, width)


def _heads(width: int) -> Iterator[Row]:
    for metric in map(head_metric, HEADS_FAMILIES):
        yield from _metric(metric, width)
    for condition, words in CONDITION_WORDS.items():
        symbol, shade = CONDITIONS[condition]
        yield from _entry(Span(f"{symbol} {condition.value}", shade), words, width)
    yield from _entry(Span("Latch", Tone.LABEL), LATCH_WORDS, width)


def _metric(metric: Metric, width: int) -> Iterator[Row]:
    share = " of its maximum" if metric.share_of_maximum else ""
    bounds = (ok_words(metric).replace(" ", _NO_BREAK), critical_words(metric).replace(" ", _NO_BREAK))
    facts = ", ".join(fact for fact in (metric.id, *bounds) if fact) + share
    text = f"{metric.question} {metric.meaning}" + (f" [{facts}]" if facts else "")
    yield from _entry(Span(metric.label, Tone.LABEL), text, width)
