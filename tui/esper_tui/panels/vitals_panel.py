"""VITALS: what the training uses of its machine, and how fast it is."""

import math
from dataclasses import dataclass

from esper_schemas.events import VitalsSampled
from esper_schemas.judgement import Health, judge_field
from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.metrics.row_layout import shrunk
from esper_tui.text.explanation import Explained
from esper_tui.text.numbers import age, count, number
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, left, right, row_width
from esper_tui.text.theme import alarm, tone

TITLE = "VITALS"
LABEL_WIDTH, VALUE_WIDTH = 15, 9
SHORT_LABEL, MARK_WIDTH = 10, 2
TIMES = ("update_time_ms", "rollout_time_ms")


NO_WORDS = Explained("")


@dataclass(frozen=True, slots=True)
class Vital:
    """A row, the metric of the catalogue that it shows, or else what there is to know about it."""

    row: Row
    metric: str = ""
    explained: Explained = NO_WORDS
    of_gpu: bool = False


SPEED = Explained(
    "Environment steps per second of wall time, in the last rollout.",
    "steady",
    "If it falls during a run, look for another program on the same cores.",
)
CPU = Explained(
    "Share of the machine's cores that the trainer keeps busy.",
    "steady",
    "`--threads` says how many cores a trainer may use.",
)
MEMORY = Explained(
    "Memory of the trainer's process that is in RAM.",
    "steady after the first updates",
    "If it only grows, fewer environments put the end off; the cause is a bug.",
)
GPU = Explained(
    "Share of the time in which the GPU computes, for whatever program.",
    "high during updates",
    "More environments, if it is low; `--profile` shows what it waits for.",
)
GPU_MEMORY = Explained(
    "Memory of the GPU that tensors take now.", "steady after the first updates", "Fewer environments."
)
GPU_PEAK = Explained(
    "The most that tensors ever took of the GPU's memory.", "below what the card has", "Fewer environments."
)
CHECKPOINT = Explained(
    "The update after which the last checkpoint was saved, how long before the run's last event that was. "
    "The list below says how long each took to write.",
    "as often as `--checkpoint-every` says",
    "LOG says why one could not be written. `esper ppo --resume RUN` goes on from the last.",
)
ENV_STEPS = Explained("Steps of all environments since the run began.", "growing", "")
ACCURACY = Explained(
    "Mean accuracy of the host networks on their validation images, at the end of the last rollout.",
    "rising",
    "If it does not rise, the policy grows nothing that helps: see SLOTS and FINDINGS.",
)
ROLLBACKS = Explained(
    "Hosts that were rolled back, as their loss exploded or was no number; and returns that are not finite.",
    "0",
    "EVENTS says in which rollouts; lower the learning rate of the hosts.",
)


def vitals(snapshot: SanctumSnapshot) -> list[Vital]:
    """Every row; those of a GPU come last where there is none."""
    run, sample = snapshot.run, snapshot.vitals or VitalsSampled()
    rows = [
        Vital(_row("Speed", run.steps_per_second, 0, "steps/s"), explained=SPEED),
        *(_time(snapshot, name) for name in TIMES),
        Vital(_row("CPU", _percent(sample.cpu_share), 0, "%"), explained=CPU),
        Vital(_row("Memory", _mebibytes(sample.memory_bytes), 0, "MiB"), explained=MEMORY),
        Vital(_row("GPU", _percent(sample.gpu_share), 0, "%"), explained=GPU, of_gpu=True),
        Vital(
            _row("GPU memory", _mebibytes(sample.gpu_memory_bytes), 0, "MiB"),
            explained=GPU_MEMORY,
            of_gpu=True,
        ),
        Vital(
            _row("GPU peak", _mebibytes(sample.gpu_memory_peak_bytes), 0, "MiB"),
            explained=GPU_PEAK,
            of_gpu=True,
        ),
        Vital(_checkpoint(snapshot), explained=CHECKPOINT),
        Vital(_row("Host accuracy", run.mean_accuracy, 3, ""), explained=ACCURACY),
        Vital(_row("Env steps", run.env_steps_total, 0, ""), explained=ENV_STEPS),
        Vital(_rollbacks(snapshot), explained=ROLLBACKS),
    ]
    return rows if sample.gpu_memory_bytes is not None else sorted(rows, key=lambda vital: vital.of_gpu)


def vitals_rows(snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """The rows that fit, all labels and all numbers in columns of one width."""
    rows = tuple(vital.row for vital in vitals(snapshot)[: max(height, 0)])
    cells = _columns(rows, width)
    return tuple(_narrowed(row, cells["label"], cells["value"], width) for row in rows)


def _columns(rows: Rows, width: int) -> dict[str, int]:
    """Blanks are given up first, then ends of labels, then units; a number and its mark stay."""
    lengths = [
        (len(label.text.rstrip()), len(text.text.strip()), row_width(tuple(end)))
        for label, text, *end in rows
    ]
    label, value, end = (max(column) for column in zip(*lengths, strict=True)) if lengths else (0, 0, 0)
    wanted = {"label": LABEL_WIDTH, "value": VALUE_WIDTH, "end": end}
    steps = (
        ("label", label),
        ("value", value + 1),
        ("label", SHORT_LABEL),
        ("end", MARK_WIDTH),
        ("label", 0),
        ("value", 1),
    )
    return shrunk(wanted, steps, width)


def _narrowed(row: Row, label: int, value: int, width: int) -> Row:
    """A row in columns of these widths; of what stands behind the number, what does not fit goes whole."""
    (name, text), end = row[:2], row[2:]
    while end and row_width(end) > width - label - value:
        end = end[:-1]
    return (left(name.text.rstrip(), label, name.tone), right(text.text.strip(), value, text.tone), *end)


def vitals_note(snapshot: SanctumSnapshot) -> Row:
    """For the title: where it runs."""
    place = " on ".join(clean(word) for word in (snapshot.run.device, snapshot.run.host) if word)
    return (Span(place, Tone.DIM),) if place else ()


def _time(snapshot: SanctumSnapshot, name: str) -> Vital:
    value = getattr(snapshot.tamiyo, name) if snapshot.tamiyo.ppo_data_received else None
    metric = QUANTITIES[name].metric
    health = judge_field(snapshot.tamiyo, name)
    return Vital(_row(metric.label, value, metric.precision, metric.unit, health), metric=name)


def _checkpoint(snapshot: SanctumSnapshot) -> Row:
    """After which update, and how long before the run's last event."""
    if not snapshot.checkpoints:
        return _row("Checkpoint", None, 0, "")
    entry, last = snapshot.checkpoints[-1], snapshot.run.last_event_ns
    since = "" if last is None else f"{age((last - entry.at_ns) / 1e9)} ago"
    return _row("Checkpoint", entry.checkpoint.update, 0, since)


def _rollbacks(snapshot: SanctumSnapshot) -> Row:
    """How often a host was rolled back, and returns that are not finite where there were any."""
    rolled_back, returns = snapshot.run.rollbacks_total, snapshot.run.returns_not_finite_total
    label = left("Rollbacks", LABEL_WIDTH, Tone.LABEL)
    if not (rolled_back or returns):
        return (label, right("0", VALUE_WIDTH, Tone.DIM), Span(" ✓", Tone.DIM))
    what = Span(f" {count(returns)} NaN returns" if returns else "", Tone.WARNING)
    return (label, right(count(rolled_back), VALUE_WIDTH, Tone.WARNING), Span(" !", Tone.WARNING), what)


def _row(label: str, value: float | None, precision: int, unit: str, judged: Health | None = None) -> Row:
    """Label, value, a mark where it is not well, and the unit of a number."""
    health = judged or _health(value)
    text = number(value, precision, VALUE_WIDTH - 1)
    row = (left(label, LABEL_WIDTH, Tone.LABEL), right(text, VALUE_WIDTH, tone(health, Tone.VALUE)))
    sign = alarm(health)
    marked = (Span(f" {sign.text}", sign.tone),) if sign.text.strip() else ()
    is_number = value is not None and math.isfinite(value)
    return (*row, *marked, *((Span(f" {unit}", Tone.DIM),) if unit and is_number else ()))


def _health(value: float | None) -> Health:
    """Of a value without bounds."""
    if value is None:
        return Health.NOT_MEASURED
    return Health.OK if math.isfinite(value) else Health.NOT_FINITE


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _mebibytes(size: int | None) -> float | None:
    return None if size is None else size / 2**20
