"""The trainings of `docs/faults.py`, each of which is made once for all tests that look at it."""

import functools

import pytest

pytest.importorskip("torch")

from docs import faults
from esper_trainer.config import TrainingConfig

CONFIG = TrainingConfig(environments=8, hidden_size=32, threads=1)
FAULTS = {fault.name: fault for fault in faults.FAULTS}


@functools.cache
def healthy_training():
    """The training from which those with a fault branch off."""
    return faults.HealthyTraining(CONFIG)


def faulty_run(fault, updates):
    """The events of a short training with a fault, or without one if it is None."""
    return list(faults.faulty_run(fault, updates, healthy_training()))


@functools.cache
def known_run(name):
    """The events of the training with a fault of the table, which is as long as that says."""
    return faulty_run(FAULTS[name], FAULTS[name].updates)
