"""VITALS: what the training uses of its machine, and how fast it is."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from esper_schemas.events import VitalsSampled
from esper_schemas.judgement import Health
from esper_schemas.metrics.metric import Group, Metric
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.metrics.metric_row import Column, Part, metric_row
from esper_tui.metrics.metric_value import MetricValue, unbounded_value, value_of
from esper_tui.metrics.row_layout import shrink_columns
from esper_tui.text.explanation import Explanation
from esper_tui.text.numbers import count
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, left, right, row_width
from esper_tui.text.theme import alarm_mark
from esper_tui.view.event_ages import event_age
from esper_tui.view.measured_fields import is_of_tamiyo
from esper_tui.view.view import View

TITLE = "VITALS"
LABEL_WIDTH, VALUE_WIDTH = 15, 9
SHORT_LABEL, MARK_WIDTH = 10, 2
COLUMNS = (Column(Part.LABEL, LABEL_WIDTH), Column(Part.VALUE, VALUE_WIDTH))
TIMES = ("update_time_ms", "rollout_time_ms")
NO_WORDS = Explanation("")


@dataclass(frozen=True, slots=True)
class Vital:
    """A row, whether it has a value, and either the metric of the catalogue that it shows or an explanation
    of its own.
    """

    row: Row
    metric: str = ""
    explanation: Explanation = NO_WORDS
    of_gpu: bool = False
    is_measured: bool = True

    @property
    def in_header(self) -> bool:
        """Whether the header shows the same number."""
        return self.explanation in (SPEED, LAST_STEP)


SPEED = Explanation(
    "Environment steps per second of wall time, in the last rollout; of all ranks together.",
    "steady",
    "If it drops during a run, check for other programs on the same cores.",
)
CPU = Explanation(
    "Share of the machine's cores that the trainer keeps busy; a mean over the hosts of all ranks.",
    "steady",
    "`--threads` limits the number of cores that a trainer uses.",
)
MEMORY = Explanation(
    "Resident memory of the trainer's processes, of all ranks together.",
    "steady after the first updates",
    "Steady growth is a memory leak; fewer environments only delay its end.",
)
GPU = Explanation(
    "Share of the time in which the GPU computes, for any program; a mean over the ranks.",
    "high during updates",
    "If it is low, use more environments; `--profile` shows what the GPU waits for.",
)
GPU_MEMORY = Explanation(
    "GPU memory that tensors of all ranks occupy now.",
    "steady after the first updates",
    "Use fewer environments.",
)
GPU_PEAK = Explanation(
    "The most GPU memory that tensors have ever occupied.",
    "below the memory of the card",
    "Use fewer environments.",
)
CHECKPOINT = Explanation(
    "The update after which the last checkpoint was saved, and how long ago, or before the end of the run. "
    "The list below shows how long each took to write.",
    "as frequent as `--checkpoint-every` asks for",
    "LOG shows why one could not be written. `esper ppo --resume RUN` continues from the last.",
)
EPISODE_LENGTH = Explanation(
    "Mean number of steps of the episodes behind the mean return.",
    "",
    "A sudden change often explains a change of the return.",
)
LAST_STEP = Explanation("The step that the trainer gave to the last values that it logged.", "growing", "")
ENV_STEPS = Explanation("Steps of all environments since the run began.", "growing", "")
ACCURACY = Explanation(
    "Mean accuracy of the host networks on their validation images, at the end of the last rollout.",
    "rising",
    "If it does not rise, the policy grows nothing that helps: see SLOTS and FINDINGS.",
)
ROLLBACKS = Explanation(
    "Hosts that were rolled back because their loss exploded or was not finite; and returns that are not "
    "finite.",
    "0",
    "EVENTS shows the rollouts in which it happened; lower the learning rate of the hosts.",
)


def shown_vitals(snapshot: SanctumSnapshot, saved: str = "") -> list[Vital]:
    """The vitals that have a row: all that Esper's own trainer samples, or else those that have a value."""
    every = is_of_tamiyo(snapshot.run)
    return [vital for vital in vitals(snapshot, saved) if every or vital.is_measured]


def checkpoint_age(view: View) -> str:
    """How long ago the last checkpoint was saved; empty without one."""
    checkpoints = view.snapshot.checkpoints
    return event_age(view, checkpoints[-1].at_ns) if checkpoints else ""


def vitals(snapshot: SanctumSnapshot, saved: str = "") -> list[Vital]:
    """Every row; those of a GPU come last where there is none. `saved` is the age of the last checkpoint."""
    run, sample = snapshot.run, snapshot.vitals or VitalsSampled()
    gpu = [
        _vital("GPU", _percent(sample.gpu_share), "%", GPU),
        _vital("GPU memory", _mebibytes(sample.gpu_memory_bytes), "MiB", GPU_MEMORY),
        _vital("GPU peak", _mebibytes(sample.gpu_memory_peak_bytes), "MiB", GPU_PEAK),
    ]
    rows = [
        _vital("Speed", run.steps_per_second, "steps/s", SPEED),
        *(_time(snapshot, name) for name in TIMES),
        _vital("CPU", _percent(sample.cpu_share), "%", CPU),
        _vital("Memory", _mebibytes(sample.memory_bytes), "MiB", MEMORY),
        *(replace(vital, of_gpu=True) for vital in gpu),
        _checkpoint(snapshot, saved),
        _vital("Host accuracy", run.mean_accuracy, "", ACCURACY, precision=3),
        *_lengths(snapshot),
        _vital("Env steps", run.env_steps_total, "", ENV_STEPS),
        _rollbacks(snapshot),
    ]
    return rows if sample.gpu_memory_bytes is not None else sorted(rows, key=lambda vital: vital.of_gpu)


def _lengths(snapshot: SanctumSnapshot) -> Iterator[Vital]:
    """The length of the episodes, for environments in which it varies; and the step of the last logged value,
    if that is not the number of environment steps.
    """
    run = snapshot.run
    if run.mean_length is not None:
        yield _vital("Episode length", run.mean_length, "steps", EPISODE_LENGTH, precision=1)
    if run.last_step is not None and run.env_steps_total is None:
        yield _vital("Step", run.last_step, "", LAST_STEP)


def _vital(label: str, value: float | None, unit: str, explanation: Explanation, precision: int = 0) -> Vital:
    """A number that is not in the catalogue of metrics."""
    row = _row(unbounded_value(_metric(label, unit, precision), value))
    return Vital(row, explanation=explanation, is_measured=value is not None)


@lru_cache(maxsize=32)  # called for every row of every frame; the age of a checkpoint is a unit that changes
def _metric(label: str, unit: str, precision: int) -> Metric:
    return Metric(label=label, group=Group.TIMING, unit=unit, meaning="", question="", precision=precision)


def _time(snapshot: SanctumSnapshot, name: str) -> Vital:
    value = value_of(snapshot, name)
    if value.health is Health.WAITING:
        value = value._replace(value=None, health=Health.NOT_MEASURED)
    return Vital(_row(value), metric=name, is_measured=value.value is not None)


def _checkpoint(snapshot: SanctumSnapshot, saved: str) -> Vital:
    """After which update, and how long ago."""
    last = snapshot.checkpoints[-1].checkpoint.update if snapshot.checkpoints else None
    return _vital("Checkpoint", last, saved, CHECKPOINT)


def _rollbacks(snapshot: SanctumSnapshot) -> Vital:
    """How often a host was rolled back, and how many returns were not finite if there were any."""
    rolled_back, returns = snapshot.run.rollbacks_total, snapshot.run.returns_not_finite_total
    if rolled_back is None and returns is None:
        return _vital("Rollbacks", None, "", ROLLBACKS)
    label, number = left("Rollbacks", LABEL_WIDTH, Tone.LABEL), count(rolled_back or 0)
    if not (rolled_back or returns):
        row: Row = (label, right(number, VALUE_WIDTH, Tone.DIM), Span(" ✓", Tone.DIM))
    else:
        what = Span(f" {count(returns)} NaN returns" if returns else "", Tone.WARNING)
        row = (label, right(number, VALUE_WIDTH, Tone.WARNING), what)
    return Vital(row, explanation=ROLLBACKS)


def _row(value: MetricValue) -> Row:
    """Label and value, a mark if a finding is about it, and the unit if it is a number."""
    sign, number = alarm_mark(value.alarm), value.value
    marked = (Span(f" {sign.text}", sign.tone),) if sign.text.strip() else ()
    is_number = number is not None and math.isfinite(number)
    unit = (Span(f" {value.metric.unit}", Tone.DIM),) if value.metric.unit and is_number else ()
    return (*metric_row(value, COLUMNS), *marked, *unit)


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _mebibytes(size: int | None) -> float | None:
    return None if size is None else size / 2**20


def vitals_rows(view: View, width: int, height: int) -> Rows:
    """The rows that fit, with one width for all labels and one for all numbers."""
    shown = shown_vitals(view.snapshot, checkpoint_age(view))
    rows = tuple(vital.row for vital in shown[: max(height, 0)])
    widths = _widths(rows, width)
    return tuple(_narrowed(row, widths["label"], widths["value"], width) for row in rows)


def _widths(rows: Rows, width: int) -> dict[str, int]:
    """Blanks go first, then the ends of labels, then units; a number and its mark stay."""
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
    return shrink_columns(wanted, steps, width)


def _narrowed(row: Row, label: int, value: int, width: int) -> Row:
    """A row in columns of these widths; items behind the number are left out whole where they do not fit."""
    (name, text), end = row[:2], row[2:]
    while end and row_width(end) > width - label - value:
        end = end[:-1]
    return (left(name.text.rstrip(), label, name.tone), right(text.text.strip(), value, text.tone), *end)


def vitals_note(snapshot: SanctumSnapshot) -> Row:
    """For the border: the device and the host."""
    hosts = {rank.host for rank in snapshot.ranks if rank.host}
    host = f"{len(hosts)} hosts" if len(hosts) > 1 else clean(snapshot.run.host)
    place = " on ".join(word for word in (clean(snapshot.run.device), host) if word)
    return (Span(place, Tone.DIM),) if place else ()
