"""Train for real, with and without faults, and record.

    python -m benchmarks.verdicts.record [--only TEXT...] [--missing] [--updates N] [--to DIR]

Needs Gymnasium, and for two of the trainers Stable-Baselines3 and sb3-contrib (extra `integrations`).
"""

import argparse
import importlib
import os
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks.verdicts.recording_file import SUFFIX
from benchmarks.verdicts.table import BASES, Base, Fault, recording_name

CORPUS = Path(__file__).parent / "corpus"


def wanted(base: Base, only: Sequence[str], to: Path, *, missing: bool) -> list[Fault | None] | None:
    """The faults of a training that are to be recorded, None for the healthy one; None if there are none."""
    branches = [None, *base.faults()]
    names = [recording_name(base, fault) for fault in branches]
    chosen = [
        fault
        for fault, name in zip(branches, names, strict=True)
        if (not only or any(text in name + SUFFIX for text in only))
        and not (missing and (to / (name + SUFFIX)).exists())
    ]
    return chosen or None


def record(base: Base, branches: Sequence[Fault | None], updates: int, to: Path) -> None:
    """Record a training, with its faulty branches, in a process of its own."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    from benchmarks.verdicts.recorder import Session

    trainer = importlib.import_module(f"benchmarks.verdicts.trainers.{base.trainer}")
    faults = [fault for fault in branches if fault is not None]
    try:
        Session(base, updates if None in branches else 0, faults, to).run(trainer.train)
    except BaseException:
        traceback.print_exc()
    os._exit(0)


def _import_torch() -> None:
    """Import once what all processes need; it takes longer than some of the trainings."""
    importlib.import_module("torch._dynamo")


def main() -> None:
    """Record what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of files")
    parser.add_argument("--updates", type=int, help="the length of healthy trainings, if not as in the table")
    parser.add_argument("--to", type=Path, default=CORPUS, metavar="DIR", help="where to write")
    parser.add_argument("--missing", action="store_true", help="only what is not there yet")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    _import_torch()
    for base in BASES:
        branches = wanted(base, options.only, options.to, missing=options.missing)
        if branches is not None:
            record(base, branches, options.updates or base.updates, options.to)
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
