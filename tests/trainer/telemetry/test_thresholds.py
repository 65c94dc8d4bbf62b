"""M2: thresholds are those of the catalogue and of the table of anomalies, and not numbers in the code."""

import ast
from pathlib import Path

import pytest

import esper_schemas
import esper_trainer

TRAINER = Path(esper_trainer.__file__).parent
RULES = Path(esper_schemas.__file__).parent / "rules"
MODULES = [
    *sorted((TRAINER / "telemetry").glob("*.py")),
    TRAINER / "measure" / "debug_diagnostics.py",
    TRAINER / "measure" / "update_metrics.py",
    RULES / "detector.py",
    RULES / "diagnose.py",
    RULES / "run_levels.py",
    RULES / "symptoms.py",
]
HARMLESS = {0, 1, 2}
"""Signs, counts, and factors of constants that have a name."""


def numbers_compared(source):
    """The lines in which something is compared with a literal number, or with an expression of one."""
    return [
        (node.lineno, constant.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Compare)
        for side in (node.left, *node.comparators)
        for constant in ast.walk(side)
        if isinstance(constant, ast.Constant) and type(constant.value) in (int, float)
        if constant.value not in HARMLESS
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_m2_no_threshold_is_a_literal(path):
    """Bounds are named constants."""
    assert numbers_compared(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("line", ["x < 0.1", "entropy / 2.5 >= y", "0.5 < x < y", "x > -100.0"])
def test_the_search_finds_a_threshold(line):
    """Each of these lines has one."""
    assert numbers_compared(line)
