"""VITALS: what the training uses of its machine, and how fast it is."""

from esper_schemas.catalogue import QUANTITIES
from esper_schemas.events import VitalsSampled
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.numbers import number
from esper_tui.rows import Row, Rows, Span, Tone, clean, left, right

TITLE = "VITALS"
TIMES = ("update_time_ms", "rollout_time_ms")
LABEL_WIDTH, VALUE_WIDTH = 15, 9


def vitals_rows(snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """A row for each thing that is used; what the machine does not have is not measured."""
    run, vitals = snapshot.run, snapshot.vitals or VitalsSampled()
    rows = (
        _row("Speed", run.steps_per_second, 0, "steps/s"),
        *(_time(snapshot, name) for name in TIMES),
        _row("CPU", vitals.cpu_share, 2, "cores"),
        _row("Memory", _mebibytes(vitals.memory_bytes), 0, "MiB"),
        _row("GPU memory", _mebibytes(vitals.gpu_memory_bytes), 0, "MiB"),
        _row("GPU peak", _mebibytes(vitals.gpu_memory_peak_bytes), 0, "MiB"),
        _row("Env steps", run.env_steps_total, 0, ""),
        _row("Host accuracy", run.mean_accuracy, 3, ""),
    )
    return rows[: max(height, 0)]


def vitals_note(snapshot: SanctumSnapshot) -> Row:
    """For the title: where it runs."""
    place = " on ".join(clean(word) for word in (snapshot.run.device, snapshot.run.host) if word)
    return (Span(place, Tone.DIM),) if place else ()


def _time(snapshot: SanctumSnapshot, name: str) -> Row:
    value = getattr(snapshot.tamiyo, name) if snapshot.tamiyo.ppo_data_received else None
    metric = QUANTITIES[name].metric
    return _row(metric.label, value, metric.precision, metric.unit)


def _row(label: str, value: float | None, precision: int, unit: str) -> Row:
    tone = Tone.DIM if value is None else Tone.VALUE
    text = right(number(value, precision, VALUE_WIDTH - 1), VALUE_WIDTH, tone)
    return (left(label, LABEL_WIDTH, Tone.LABEL), text, Span(f" {unit}", Tone.DIM))


def _mebibytes(size: int | None) -> float | None:
    return None if size is None else size / 2**20
