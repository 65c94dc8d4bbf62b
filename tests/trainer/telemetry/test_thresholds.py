"""M2: what is compared with a number is compared with one of the catalogue, or of the table of anomalies."""

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
    RULES / "derived_quantities.py",
    RULES / "detector.py",
    RULES / "onset.py",
]
HARMLESS = {0, 1, 2}
"""Signs, counts, and the half of a number that has a name."""


def numbers_compared(source):
    """Lines in which something is compared with a number that stands there, or with a product of one."""
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
def test_m2_no_threshold_stands_in_the_code(path):
    """Bounds come by their names."""
    assert numbers_compared(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("line", ["x < 0.1", "entropy / 2.5 >= y", "0.5 < x < y", "x > -100.0"])
def test_the_search_sees_a_threshold(line):
    """Each of these would be one."""
    assert numbers_compared(line)
