"""Imports point one way, between packages and between folders; heavy libraries stay where they belong."""

import ast
import functools
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {path.name: path for path in ROOT.glob("*/esper_*") if path.is_dir()}
MAY_IMPORT = {
    "esper_schemas": set(),
    "esper_bus": {"esper_schemas"},
    "esper_lite": {"esper_schemas", "esper_bus", "esper_aggregator"},
    "esper_aggregator": {"esper_schemas", "esper_bus"},
    "esper_trainer": {"esper_schemas", "esper_bus", "esper_lite"},
    "esper_tui": {"esper_schemas"},
    "esper_cli": {
        "esper_schemas",
        "esper_bus",
        "esper_lite",
        "esper_aggregator",
        "esper_trainer",
        "esper_tui",
    },
}
# `esper_bus.connect` and the like of 0.1.0 lead to `esper_lite` until 0.3.0: for type checkers here, and on
# first use by `esper_bus.deprecated`, whose imports by name are not seen.
# `python -m PACKAGE` is a command: its `__main__`, which nothing imports, leads to the command line.
EXCEPTIONS = {
    ("esper_bus/__init__.py", "esper_lite"),
    ("esper_aggregator/__main__.py", "esper_cli"),
    ("esper_trainer/__main__.py", "esper_cli"),
}
ONLY_IN = {
    "torch": "esper_trainer",
    "numpy": "esper_trainer",
    "sklearn": "esper_trainer",
    "textual": "esper_tui",
    "textual_serve": "esper_tui",
    "aiohttp": "esper_tui",
    "zmq": "esper_bus",
    "mcap": "esper_bus",
    "structlog": "esper_bus",
    "argparse": "esper_cli",
}
ONLY_IN_ROOMS = {
    "zmq": {"net", "auth"},
    "mcap": {"mcap", "store"},
    "structlog": {"host"},
    "textual": {"screens", "terminal", "serving", "app.py"},
}
# Which folders of its own package the modules of a folder may import; modules at the top are not listed.
ROOMS = {
    "esper_schemas": {"metrics": set(), "rules": {"metrics"}},
    "esper_bus": {
        "mcap": set(),
        "host": set(),
        "protocol": set(),
        "auth": set(),
        "store": {"host", "mcap"},
        "net": {"auth", "host", "mcap", "protocol", "store"},
        "emit": {"auth", "host", "mcap", "net", "store"},
    },
    "esper_aggregator": {"fold": set()},
    "esper_trainer": {
        "device": set(),
        "environments": {"device"},
        "ranks": set(),
        "model": {"device"},
        "ppo": {"device", "environments", "model", "ranks"},
        "measure": {"device", "model", "ppo"},
        "learner": {"device", "environments", "measure", "model", "ppo", "ranks"},
        "run": {"device", "learner", "ranks"},
        "telemetry": {"device", "measure", "model", "ppo", "ranks", "run"},
    },
    "esper_tui": {
        "text": set(),
        "charts": {"text"},
        "grid": {"text"},
        "view": {"text"},
        "control": {"grid", "text"},
        "metrics": {"charts", "text"},
        "panels": {"charts", "control", "metrics", "text", "view"},
        "pages": {"charts", "control", "metrics", "panels", "text", "view"},
        "screens": {"control", "grid", "pages", "panels", "text", "view"},
        "terminal": {"grid", "text", "view"},
        "serving": set(),
    },
    "esper_cli": {
        "output": set(),
        "options": {"output"},
        "screen": {"output"},
        "commands": {"options", "output", "screen"},
    },
}
# What importing any module of a folder must not load, however indirectly.
FREE_OF = {
    ("esper_bus", "protocol"): {"zmq", "mcap", "threading", "socket"},
    ("esper_aggregator", "fold"): {"zmq", "mcap", "esper_bus"},
    ("esper_schemas", "rules"): {"zmq", "mcap", "esper_bus", "torch"},
    ("esper_tui", "panels"): {"zmq", "mcap", "esper_bus", "esper_aggregator", "textual", "torch"},
    ("esper_tui", "pages"): {"zmq", "mcap", "esper_bus", "esper_aggregator", "textual", "torch"},
    ("esper_tui", "screens"): {"zmq", "mcap", "esper_bus", "esper_aggregator", "torch"},
}


def modules(package, room=""):
    """Every module of a package, or of one of its folders."""
    return sorted((PACKAGES[package] / room).rglob("*.py"))


def dotted(path):
    """The name under which a module is imported."""
    package = next(root for root in PACKAGES.values() if root in path.parents)
    return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def imported(path):
    """The dotted names that a module imports, anywhere in it."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
    return names


def libraries(path):
    """The top-level names that a module imports."""
    return {name.split(".")[0] for name in imported(path)}


def run(program):
    """The result of a Python program in a process of its own."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_every_package_is_in_the_folder_that_it_is_named_after():
    """The seven packages of docs/architecture.md."""
    folders = {"esper_lite": "api"} | {f"esper_{f}": f for f in ("schemas", "bus", "aggregator", "trainer")}
    folders |= {f"esper_{f}": f for f in ("tui", "cli")}

    assert {name: path.parent.name for name, path in PACKAGES.items()} == folders


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_in_one_direction(package):
    """schemas <- bus <- aggregator <- api <- trainer; schemas <- tui; the cli imports them all."""
    allowed = MAY_IMPORT[package] | {package}
    found = {
        (path.relative_to(PACKAGES[package].parent).as_posix(), name)
        for path in modules(package)
        for name in libraries(path)
        if name.startswith("esper_") and name not in allowed
    }

    assert found <= EXCEPTIONS


@pytest.mark.parametrize("package", ["esper_schemas", "esper_bus", "esper_aggregator", "esper_lite"])
def test_messages_of_a_library_name_no_command_line_option(package):
    """A program that uses it has no command line of ours; a list of arguments is no message."""
    texts = [
        (path.name, node.value)
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]

    assert [(name, text) for name, text in texts if re.search(r"[ (`]--[a-z]|^--[a-z-]+ ", text)] == []


@pytest.mark.parametrize("package", ROOMS)
def test_folders_import_in_one_direction(package):
    """Each folder imports only those that the table names."""
    for room, allowed in ROOMS[package].items():
        for path in modules(package, room):
            rooms = {name.split(".")[1] for name in imported(path) if name.startswith(f"{package}.")}
            assert rooms & set(ROOMS[package]) <= allowed | {room}, path


@pytest.mark.parametrize("package", ROOMS)
def test_the_folders_of_a_package_are_all_in_the_table_and_have_no_cycle(package):
    """A new folder has to be given its place."""
    folders = {path.name for path in PACKAGES[package].iterdir() if (path / "__init__.py").exists()}

    assert set(ROOMS[package]) == folders
    assert set(TopologicalSorter(ROOMS[package]).static_order()) == folders


@pytest.mark.parametrize(("library", "home"), ONLY_IN.items())
def test_a_library_is_used_in_its_package_only(library, home):
    """torch only in the trainer, textual only in the screen, zmq only in the bus."""
    users = {package for package in PACKAGES for path in modules(package) if library in libraries(path)}

    assert users <= {home}


@pytest.mark.parametrize(("library", "rooms"), ONLY_IN_ROOMS.items())
def test_a_library_is_used_in_its_folders_only(library, rooms):
    """Protocol and storage know no sockets; panels and pages know no Textual."""
    root = PACKAGES[ONLY_IN[library]]
    users = {path.relative_to(root).parts[0] for path in root.rglob("*.py") if library in libraries(path)}

    assert users <= rooms


@pytest.mark.process
@pytest.mark.parametrize(("package", "room"), FREE_OF)
def test_a_folder_loads_nothing_that_it_must_not_know(package, room):
    """Also through what it imports: the protocol works without zmq, the fold without the bus."""
    names = [dotted(path) for path in modules(package, room)]
    program = (
        "import importlib, sys\n"
        f"for name in {names}: importlib.import_module(name)\n"
        f"print(sorted({FREE_OF[package, room]} & set(sys.modules)))"
    )

    result = run(program)

    assert result.stdout.strip() == "[]", result.stderr


@pytest.mark.process
def test_everything_but_the_trainer_imports_without_torch():
    """A laptop that only watches needs no torch, and no command pays for importing it."""
    names = [
        dotted(path)
        for package in PACKAGES
        if package != "esper_trainer"
        for path in modules(package)
        if path.name != "__main__.py"
    ]
    program = (
        "import importlib, sys\n"
        f"for name in {[*names, 'esper_trainer.request']}: importlib.import_module(name)\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )

    result = run(program)

    assert result.returncode == 0, result.stderr
