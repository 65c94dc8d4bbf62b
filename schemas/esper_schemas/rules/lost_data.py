"""A finding about the recording rather than the training: a part of it is lost.

What is missing was not judged: a run without its worst updates looks healthy.
"""

from collections.abc import Sequence

from esper_schemas.findings import Evidence, Finding
from esper_schemas.snapshot import Loss, LossKind

DATA_LOST = "data_lost"

_COUNTED: dict[LossKind, tuple[str, str]] = {
    "missing": ("event is missing in the log", "events are missing in the log"),
    "dropped": ("event was dropped", "events were dropped"),
    "rejected": ("event is not valid", "events are not valid"),
    "values": ("value was left out", "values were left out"),
    "unwritten": ("update after the last recorded one is missing", "updates after the last one are missing"),
    "capacity": ("name is beyond the capacity of the state", "names are beyond the capacity of the state"),
}

_ADVICE: dict[LossKind, str] = {
    "missing": "Keep the spools of the trainers; `esper log verify` names those whose events are missing.",
    "dropped": "Free space on the disk of the trainer, raise the quota of its spool, or measure less.",
    "rejected": "Install the same version for trainer and reader; `esper log cat` shows what is not valid.",
    "values": "Look for values that are not numbers; the trainer's log and `Telemetry.stats` name them.",
    "unwritten": "Look for the spool of the trainer, and end it with `Telemetry.close`, not by a signal.",
    "capacity": "The log has them all; look for a program that makes up names or restarts again and again.",
}


def lost_data(losses: Sequence[Loss]) -> list[Finding]:
    """Return the finding, if anything is lost: a notice if only the state has no room for it."""
    if not losses:
        return []
    return [
        Finding(
            rule=DATA_LOST,
            severity="notice" if all(loss.kind == "capacity" for loss in losses) else "warning",
            title=f"Data is lost: {', '.join(map(_counted, losses))}",
            since_update=min(loss.since_update for loss in losses),
            evidence=tuple(sorted(map(_evidence, losses), key=lambda link: link.update)),
            advice=tuple(_ADVICE[loss.kind] for loss in losses),
        )
    ]


def _counted(loss: Loss) -> str:
    one, several = _COUNTED[loss.kind]
    return f"{loss.count:,} {one if loss.count == 1 else several}"


def _evidence(loss: Loss) -> Evidence:
    of = f", first of {loss.producer}" if loss.producer else ""
    later = f"the last one at {loss.last_update}" if loss.last_update > loss.since_update else ""
    return Evidence(loss.since_update, f"{_counted(loss)}{of}", later)
