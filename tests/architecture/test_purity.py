"""The fold depends only on its records, and no other code changes its state."""

import ast
from pathlib import Path

import pytest
from tests.architecture.test_imports import PACKAGES, dotted, imported, modules

pytestmark = pytest.mark.process

AGGREGATOR = PACKAGES["esper_aggregator"]
SOURCES_OF_CHANGE = {
    "asyncio",
    "datetime",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "uuid",
}
"""Modules with which equal records could fold to different states: clocks, random numbers, files, threads."""

CHANGES_THE_STATE = {
    "fold/fold.py",
    "fold/training.py",
    "fold/reports.py",
    "fold/event_list.py",
    "fold/logged_steps.py",
    "fold/own_heads.py",
    "fold/process_overlap.py",
    "fold/own_scalars.py",
    "fold/state_codec.py",  # while it builds a state from bytes
}
MUTATING_METHODS = {"add", "append", "appendleft", "clear", "extend", "insert", "pop", "popitem", "popleft"}
MUTATING_METHODS |= {"remove", "setdefault", "sort", "update"}


def reachable(package, folder):
    """The modules of a folder, and all modules of this project that they import, directly or indirectly."""
    paths = {dotted(path): path for name in PACKAGES for path in modules(name)}
    found, waiting = set(), [dotted(path) for path in modules(package, folder)]
    while waiting:
        name = waiting.pop()
        if name in paths and name not in found:
            found.add(name)
            waiting += imported(paths[name])
    return {name: paths[name] for name in found}


@pytest.mark.parametrize(("package", "folder"), [("esper_aggregator", "fold"), ("esper_schemas", "rules")])
def test_no_clock_file_or_random_number_is_imported(package, folder):
    """This holds for the fold, its projection and the rules, and all modules of this project they import."""
    used = {
        (name, library)
        for name, path in reachable(package, folder).items()
        for library in {each.split(".")[0] for each in imported(path)} & SOURCES_OF_CHANGE
    }

    assert used == set()


def readers():
    """The modules of the aggregator that only read a state."""
    return [
        path
        for path in modules("esper_aggregator")
        if path.relative_to(AGGREGATOR).as_posix() not in CHANGES_THE_STATE
    ]


@pytest.mark.parametrize("path", readers(), ids=lambda path: path.relative_to(AGGREGATOR).as_posix())
def test_only_the_fold_changes_the_state(path):
    """Other modules assign no attribute of another object, and call no mutating method of its attributes."""
    tree = ast.parse(path.read_text())
    assigned = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del)
    ]
    mutated = [
        node.func.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in MUTATING_METHODS
        and isinstance(node.func.value, ast.Attribute)
    ]
    own = [ast.unparse(node) for node in [*assigned, *mutated] if ast.unparse(node.value) == "self"]
    others = {ast.unparse(node) for node in [*assigned, *mutated]} - set(own)

    assert others == set()


def test_the_modules_that_change_the_state_exist():
    """A module that was renamed has to be renamed in the list."""
    assert all(Path(AGGREGATOR, name).exists() for name in CHANGES_THE_STATE)
