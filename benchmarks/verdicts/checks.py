"""What the trainers' own checks of themselves show, in healthy trainings and under each silent fault."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from benchmarks.verdicts.recording_file import Recording
from benchmarks.verdicts.table import FAULT_NAMED

from esper_schemas.events import PPOUpdateCompleted, ScalarsLogged

CHECKS = (
    "initial_ratio_max",
    "initial_kl",
    "gae_residual",
    "reward_checksum_error",
    "advantage_correlation",
    "value_gradient_share",
)
SIGN_UPDATES = 5
"""The sign of a correlation is that of its mean over this many updates."""


def values_of(recording: Recording, check: str) -> list[float]:
    """The values of a check, one for each update that has it."""
    if check != "advantage_correlation":
        return recorded(recording, check)
    values = recorded(recording, check)
    windows = [values[place : place + SIGN_UPDATES] for place in range(len(values) - SIGN_UPDATES + 1)]
    return [sum(window) / SIGN_UPDATES for window in windows]


def recorded(recording: Recording, check: str) -> list[float]:
    """The values of a metric or a scalar, without those that are NaN."""
    values: list[float | None] = []
    for event in recording.events:
        match event:
            case ScalarsLogged(values=logged):
                values += [logged[check]] if check in logged else []
            case PPOUpdateCompleted(payload=payload):
                own = payload.scalars.get(check, getattr(payload, check, None))
                values.append(own)
    return [value for value in values if value is not None and value == value]


def check_table(recordings: Iterable[Recording]) -> Iterator[str]:
    """The range of each check over all updates, healthy ones first."""
    groups: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for recording in recordings:
        if (
            not recording.fault
            or FAULT_NAMED[recording.fault].kind == "silent"
            or "critic" in recording.fault
        ):
            for check in CHECKS:
                groups[recording.fault or "healthy"][check] += values_of(recording, check)
    width = max(map(len, groups), default=0)
    yield "  ".join(["".ljust(width), *(check.ljust(21) for check in CHECKS)]).rstrip()
    for name in sorted(groups, key=lambda name: (name != "healthy", name)):
        cells = [_range(groups[name][check]).ljust(21) for check in CHECKS]
        yield "  ".join([name.ljust(width), *cells]).rstrip()


def _range(values: list[float]) -> str:
    return f"{min(values):.2g} … {max(values):.2g}" if values else "–"
