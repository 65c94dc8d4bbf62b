"""Every trainer can have every fault of the table, in both halves."""

from importlib import import_module

import pytest
from benchmarks.verdicts.table import BASES, TASKS_OF

pytest.importorskip("torch")
pytest.importorskip("gymnasium")

MODULES = {"sb3_recurrent": "sb3"}


@pytest.mark.parametrize("trainer", TASKS_OF)
def test_every_fault_has_two_injections(trainer):
    """One for each half; only a setting that has no other place may be the same in both."""
    if trainer.startswith("sb3"):
        pytest.importorskip("sb3_contrib")
    module = import_module(f"benchmarks.verdicts.trainers.{MODULES.get(trainer, trainer)}_faults")
    faults = {fault.name for base in BASES if base.trainer == trainer for fault in base.faults()}

    assert faults <= set(module._INJECTIONS)
    assert all(len(module._INJECTIONS[name]) == 2 for name in faults)


@pytest.mark.parametrize("trainer", TASKS_OF)
def test_a_trainer_is_a_module_with_train(trainer):
    """The recorder finds it by its name."""
    if trainer.startswith("sb3"):
        pytest.importorskip("sb3_contrib")
    assert callable(import_module(f"benchmarks.verdicts.trainers.{trainer}").train)
