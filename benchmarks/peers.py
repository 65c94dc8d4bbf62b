"""Other recorders of one full PPO update, with which `benchmarks.emit` compares the emitter.

Those that are not installed are skipped with a message; `pip install 'esper-lite[benchmarks]'` adds them.
"""

import csv
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from esper_schemas.metrics.catalogue import CATALOGUE
from esper_schemas.payload import PPOUpdatePayload

Record = Callable[[int, PPOUpdatePayload], object]
"""Records the numbers of an update."""


def available(directory: Path, *, everybody: bool) -> dict[str, Record]:
    """csv, or all peers that are installed, by name; each writes below `directory`."""
    found: dict[str, Record] = {"csv.DictWriter + flush": _csv(directory)}
    others = (("TensorBoard SummaryWriter", _tensorboard), ("wandb, offline", _wandb), ("trackio", _trackio))
    for name, make in others if everybody else ():
        try:
            found[name] = make(directory)
        except ImportError as error:
            print(f"without {name}: {error}")
    return found


def _csv(directory: Path) -> Record:
    file = (directory / "updates.csv").open("w", newline="")
    writer = csv.DictWriter(file, CATALOGUE)

    def record(update: int, payload: PPOUpdatePayload) -> None:
        writer.writerow(_measured(payload))
        file.flush()

    return record


def _tensorboard(directory: Path) -> Record:
    module: Any = import_module("torch.utils.tensorboard")
    writer = module.SummaryWriter(str(directory / "tensorboard"))

    def record(update: int, payload: PPOUpdatePayload) -> None:
        for name, value in _measured(payload).items():
            writer.add_scalar(name, value, update)

    return record


def _wandb(directory: Path) -> Record:
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_DIR": str(directory)}
    run = import_module("wandb").init(project="benchmark", dir=str(directory))
    return lambda update, payload: run.log(_measured(payload), step=update)


def _trackio(directory: Path) -> Record:
    os.environ |= {"TRACKIO_DIR": str(directory / "trackio"), "HF_HUB_OFFLINE": "1"}
    trackio = import_module("trackio")
    trackio.init(project="benchmark")
    return lambda update, payload: trackio.log(_measured(payload))


def _measured(payload: PPOUpdatePayload) -> dict[str, float | None]:
    """The metrics of an update, as a trainer would hand them to a recorder."""
    return {name: getattr(payload, name) for name in CATALOGUE}
