"""Writes the reference: every metric, the JSON Schema of every event, every number that the policy sees.

    python docs/make_reference.py

Writes metrics.md, events.schema.json and observation.md into docs/reference.
"""

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from esper_bus.mcap.event_channels import event_schema
from esper_schemas.heads import HEAD_MAX_ENTROPIES, HEADS
from esper_schemas.metrics.catalogue import CATALOGUE, DERIVED, HEAD_FAMILIES, MetricField, head_field
from esper_schemas.metrics.metric import Bands, Good, Metric, Reduction
from esper_schemas.state import HISTORY_LENGTH, HISTORY_METRICS, TamiyoState
from esper_trainer.environments.morph.observation_table import HOST, NUMBERS, SLOT

REFERENCE = Path(__file__).parent / "reference"

INTRODUCTION = f"""\
# Metrics

Everything that Esper measures or derives, one record each. This page is generated from the types of the
payload (`esper_schemas/metrics/`) by `python docs/make_reference.py`; the trainer's detector, the
panels, the help and `judge_field` read the same types.

How to read a record:

- **Three values.** A value is measured, not measured (`None`, shown as `–`) or not finite. NaN and
  infinity are critical for every metric. Before the first update nothing is judged.
- **Bands.** A value beyond a critical bound is critical, one beyond a warning bound only is a warning,
  every other finite value is ok. The boundary rule says what a value exactly on a bound is.
- **Trend threshold.** A history of the last {HISTORY_LENGTH} updates is cut in two halves; their means
  have to differ by this share of the older one for the history to be rising or falling.
- **Reductions.** How the values of several epochs, and of several ranks, become one. Over ranks only
  measured values count, and NaN on one rank is NaN for the run.
- **Level.** The lowest telemetry level at which a trainer measures it.

A project can give bands of its own in a TOML file, one table per field, with any of `critical_below`,
`warning_below`, `warning_above`, `critical_above` and `trend_threshold`. A table `[head_entropy]` is
about that quantity of all heads, `[head_op_entropy]` about one head's; `inf` and `-inf` remove a bound.
"""

FLOW = """\
## How a value gets here

`PPO update → PPOUpdatePayload → PPOUpdateCompleted → log → fold → TamiyoState`: a measured field has one
name all the way, from the payload to `snapshot.tamiyo.<field>`. Derived quantities are computed when
events are folded and a snapshot is made, so an old log shows them too.
"""

OBSERVATION = f"""\
# Observation

What Tamiyo sees of every environment before each choice: {len(NUMBERS)} float32 numbers, {len(HOST)} about
the host and {len(SLOT)} about each of its slots. This page is generated from `NUMBERS` in
`esper_trainer/environments/morph/observation_table.py` by `python docs/make_reference.py`.

symlog is sign(x) ln(1 + |x|) (Hafner et al. 2023). Of a slot in which no seed lives all numbers are 0 but for
its stage. What may be chosen is told beside the observation, as masks.
"""


def metrics_page() -> str:
    """The page of all metrics, as Markdown."""
    records = [*_measured(), *_derived()]
    parts = [INTRODUCTION, FLOW, _index(records), *(_record(*record) for record in records)]
    return "\n".join(parts)


def events_schema() -> str:
    """The JSON Schema of every event: the one that logs carry, indented."""
    return json.dumps(json.loads(event_schema()), indent=2, ensure_ascii=False) + "\n"


def _measured() -> Iterator[tuple[str, list[MetricField]]]:
    """A title and the fields of each measured metric; a quantity of all heads is one record."""
    for name, field in CATALOGUE.items():
        if field.head is None:
            yield name, [field]
    for family in HEAD_FAMILIES:
        yield f"head_*_{family}", [CATALOGUE[head_field(head, family)] for head in HEADS]


def _derived() -> Iterator[tuple[str, list[MetricField]]]:
    for name, field in DERIVED.items():
        yield name, [field]


def _index(records: list[tuple[str, list[MetricField]]]) -> str:
    rows = (
        f"| [`{title}`](#{_anchor(title)}) | {fields[0].metric.id or '–'} | {fields[0].metric.unit} "
        f"| {fields[0].metric.question} |"
        for title, fields in records
    )
    return "\n".join(["## All metrics\n", "| name | id | unit | question |", "|---|---|---|---|", *rows, ""])


def _anchor(title: str) -> str:
    return title.replace("*", "")


def _record(title: str, fields: list[MetricField]) -> str:
    metric = fields[0].metric
    rows = "\n".join(f"| {name} | {value} |" for name, value in _specification(fields))
    return f"""\
## `{title}`

| Identity | |
|---|---|
| ID | {metric.id or "–"} |
| Label | {metric.label} |
| Kind | {"derived" if fields[0].name in DERIVED else "measured"} |

**Purpose.** {metric.question}

{textwrap.fill(f"**Meaning.** {metric.meaning}", 110)}
{_advice(metric)}
| Data specification | |
|---|---|
{rows}
"""


def _advice(metric: Metric) -> str:
    """What to do, where no rule of the diagnosis says it."""
    return f"\n{textwrap.fill(f'**To do.** {metric.advice}', 110)}\n" if metric.advice else ""


def _specification(fields: list[MetricField]) -> Iterator[tuple[str, str]]:
    metric, derived = fields[0].metric, fields[0].name in DERIVED
    yield "Unit", metric.unit
    yield "Range", _range(fields)
    yield "Precision", f"{metric.precision} decimal places"
    yield "Default", _default(fields[0])
    yield "Warning", _beyond(metric, metric.bands.warning_below, metric.bands.warning_above) or "never"
    critical = _beyond(metric, metric.bands.critical_below, metric.bands.critical_above)
    yield "Critical", f"{critical} or not finite".strip()
    if metric.bands != Bands():
        yield "Boundary", _boundary_rule(metric)
    yield "Trend threshold", f"{metric.trend_threshold:.0%}" + _history(fields[0].name)
    yield "Good direction", "neither" if metric.good is Good.NEITHER else metric.good.value
    if not derived:
        yield "Reduction over epochs", metric.over_epochs.value
    merged = derived and metric.over_ranks is Reduction.MEAN
    yield "Reduction over ranks", "follows from merged values" if merged else metric.over_ranks.value
    yield "Group", metric.group.value
    yield "Telemetry level", metric.level.name
    yield ("State field" if derived else "Payload fields"), _field_names(fields)


def _default(field: MetricField) -> str:
    words = "not measured" if field.default is None else str(field.default)
    waiting = getattr(TamiyoState(), field.name, None)
    return words if waiting == field.default else f"{words}; {waiting} in the state before the first update"


def _range(fields: list[MetricField]) -> str:
    metric = fields[0].metric
    if metric.share_of_maximum:
        return "0 to ln of the head's number of choices: " + ", ".join(
            f"{head} {maximum:.3f}" for head, maximum in HEAD_MAX_ENTROPIES.items()
        )
    low = "-∞" if metric.minimum is None else f"{metric.minimum:g}"
    high = "∞" if metric.maximum is None else f"{metric.maximum:g}"
    return f"{low} to {high}"


def _beyond(metric: Metric, below: float | None, above: float | None) -> str:
    """Where a value is beyond a bound: "< 0.1 or > 10"."""
    equal = metric.bands.inclusive
    signs = (("≤" if equal else "<", below), ("≥" if equal else ">", above))
    return " or ".join(f"{sign} {bound:g}" for sign, bound in signs if bound is not None)


def _boundary_rule(metric: Metric) -> str:
    share = " The bounds apply to the share of the largest value." if metric.share_of_maximum else ""
    if metric.bands.inclusive:
        return f"A value on a bound is beyond it.{share}"
    return f"A value on a bound is not beyond it.{share}"


def _history(name: str) -> str:
    return f", `{name}_history` keeps {HISTORY_LENGTH}" if name in HISTORY_METRICS else ""


def _field_names(fields: list[MetricField]) -> str:
    if fields[0].name == "loss_ratio":
        return "none: `loss_ratio(state)`, because it is undefined where the policy loss is 0"
    return ", ".join(f"`{field.name}`" for field in fields)


def observation_page() -> str:
    """The page of what the policy sees, as Markdown."""
    rows = [f"| {i} | `{n.name}` | {n.meaning} | {n.range} |" for i, n in enumerate(NUMBERS)]
    return "\n".join([OBSERVATION, "| index | name | meaning | range |", "|--:|---|---|---|", *rows, ""])


PAGES = {
    "metrics.md": metrics_page,
    "events.schema.json": events_schema,
    "observation.md": observation_page,
}


def main() -> None:
    """Write every page."""
    REFERENCE.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"{REFERENCE / name}\n")


if __name__ == "__main__":
    main()
