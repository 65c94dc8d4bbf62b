"""Imports of packages and folders have one direction; large libraries are imported only where allowed."""

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
# `esper_bus.connect` and other names of 0.1.0 refer to `esper_lite` until 0.3.0: here for type checkers, and
# on first use in `esper_bus.deprecated`, whose imports by name are not checked.
# `python -m PACKAGE` is a command: its `__main__`, which nothing imports, imports the command line.
EXCEPTIONS = {
    ("esper_bus/__init__.py", "esper_lite"),
    ("esper_aggregator/__main__.py", "esper_cli"),
    ("esper_trainer/__main__.py", "esper_cli"),
}
ONLY_IN = {
    "torch": "esper_trainer",
    "sklearn": "esper_trainer",
    "textual": "esper_tui",
    "textual_serve": "esper_tui",
    "aiohttp": "esper_tui",
    "zmq": "esper_bus",
    "mcap": "esper_bus",
    "structlog": "esper_bus",
    "argparse": "esper_cli",
    "rsl_rl": "esper_lite",
    "stable_baselines3": "esper_lite",
    "tensorboard": "esper_lite",
    "tensorboardX": "esper_lite",
    "torchrl": "esper_lite",
    "transformers": "esper_lite",
    "trl": "esper_lite",
}
ONLY_IN_MODULES = {
    ("numpy", "esper_lite"): {"checks.py", "integrations/stable_baselines3_checks.py"},
    ("numpy", "esper_schemas"): set(),
    ("numpy", "esper_bus"): set(),
    ("numpy", "esper_aggregator"): {
        f"series/{name}.py"
        for name in (
            "buckets",
            "chunk_format",
            "encoding",
            "places",
            "points",
            "rank_columns",
            "row_block",
            "run_series",
            "segment_format",
        )
    },
    ("numpy", "esper_tui"): set(),
    ("numpy", "esper_cli"): set(),
}
"""Modules that use a library which takes long to import; nothing imports `checks` but the user."""
ONLY_IN_FOLDERS = {
    "zmq": {"net", "auth"},
    "mcap": {"mcap", "store"},
    "structlog": {"host"},
    "textual": {"screens", "terminal", "serving", "app.py"},
    "rsl_rl": {"integrations"},
    "stable_baselines3": {"integrations"},
    "tensorboard": {"integrations"},
    "tensorboardX": {"integrations"},
    "torchrl": {"integrations"},
    "transformers": {"integrations"},
    "trl": {"integrations"},
}
# Libraries for training; a module of an integration imports at most one of them.
INTEGRATED = {"rsl_rl", "stable_baselines3", "torchrl", "transformers"}
# The folders of the same package that the modules of a folder may import; top-level modules are not listed.
FOLDERS = {
    "esper_schemas": {"metrics": set(), "rules": {"metrics", "aliases"}, "aliases": {"metrics"}},
    "esper_bus": {
        "mcap": set(),
        "host": set(),
        "protocol": set(),
        "auth": set(),
        "store": {"host", "mcap"},
        "net": {"auth", "host", "mcap", "protocol", "store"},
        "emit": {"auth", "host", "mcap", "net", "store"},
    },
    "esper_aggregator": {
        "fold": set(),
        "series": {"fold"},
        "past": {"fold", "series"},
        "replaying": {"fold", "past"},
    },
    "esper_lite": {"importing": set(), "integrations": {"importing"}},
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
        "past": {"charts", "text"},
        "view": {"charts", "past", "text"},
        "control": {"grid", "text"},
        "metrics": {"charts", "text"},
        "panels": {"charts", "control", "metrics", "past", "text", "view"},
        "pages": {"charts", "control", "metrics", "panels", "text", "view"},
        "screens": {"charts", "control", "grid", "metrics", "pages", "panels", "past", "text", "view"},
        "terminal": {"grid", "past", "text", "view"},
        "serving": set(),
    },
    "esper_cli": {
        "output": set(),
        "options": {"output"},
        "screen": {"output"},
        "commands": {"options", "output", "screen"},
    },
}
# Libraries and packages that importing any module of a folder must not load, even indirectly.
FREE_OF = {
    ("esper_bus", "protocol"): {"zmq", "mcap", "threading", "socket"},
    ("esper_aggregator", "fold"): {"zmq", "mcap", "esper_bus"},
    ("esper_schemas", "rules"): {"zmq", "mcap", "esper_bus", "torch"},
    ("esper_tui", "panels"): {"zmq", "mcap", "esper_bus", "esper_aggregator", "textual", "torch"},
    ("esper_tui", "pages"): {"zmq", "mcap", "esper_bus", "esper_aggregator", "textual", "torch"},
    ("esper_tui", "screens"): {"zmq", "mcap", "esper_bus", "esper_aggregator", "torch"},
}


def modules(package, folder=""):
    """Every module of a package, or of one of its folders."""
    return sorted((PACKAGES[package] / folder).rglob("*.py"))


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
    """The result of a Python program in a separate process."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_every_package_is_in_its_folder():
    """There are the seven packages of docs/architecture.md."""
    folders = {"esper_lite": "api"} | {f"esper_{f}": f for f in ("schemas", "bus", "aggregator", "trainer")}
    folders |= {f"esper_{f}": f for f in ("tui", "cli")}

    assert {name: path.parent.name for name, path in PACKAGES.items()} == folders


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_in_one_direction(package):
    """schemas <- bus <- aggregator <- api <- trainer; schemas <- tui; the cli may import all of them."""
    allowed = MAY_IMPORT[package] | {package}
    found = {
        (path.relative_to(PACKAGES[package].parent).as_posix(), name)
        for path in modules(package)
        for name in libraries(path)
        if name.startswith("esper_") and name not in allowed
    }

    assert found <= EXCEPTIONS


@pytest.mark.parametrize("package", ["esper_schemas", "esper_bus", "esper_aggregator", "esper_lite"])
def test_messages_of_a_library_contain_no_command_line_option(package):
    """A program that uses a library does not have Esper's command line; lists of arguments are allowed."""
    texts = [
        (path.name, node.value)
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]

    assert [(name, text) for name, text in texts if re.search(r"[ (`]--[a-z]|^--[a-z-]+ ", text)] == []


@pytest.mark.parametrize("package", FOLDERS)
def test_folders_import_in_one_direction(package):
    """Each folder imports only the folders in its row of the table."""
    for folder, allowed in FOLDERS[package].items():
        for path in modules(package, folder):
            folders = {name.split(".")[1] for name in imported(path) if name.startswith(f"{package}.")}
            assert folders & set(FOLDERS[package]) <= allowed | {folder}, path


@pytest.mark.parametrize("package", FOLDERS)
def test_the_folders_of_a_package_are_all_in_the_table_and_have_no_cycle(package):
    """A new folder has to be added to the table."""
    folders = {path.name for path in PACKAGES[package].iterdir() if (path / "__init__.py").exists()}

    assert set(FOLDERS[package]) == folders
    assert set(TopologicalSorter(FOLDERS[package]).static_order()) == folders


@pytest.mark.parametrize(("library", "home"), ONLY_IN.items())
def test_a_library_is_used_in_its_package_only(library, home):
    """Examples are torch in the trainer, textual in the tui, and zmq in the bus."""
    users = {package for package in PACKAGES for path in modules(package) if library in libraries(path)}

    assert users <= {home}


@pytest.mark.parametrize(("library", "folders"), ONLY_IN_FOLDERS.items())
def test_a_library_is_used_in_its_folders_only(library, folders):
    """Protocol and store do not import zmq; panels and pages do not import textual."""
    root = PACKAGES[ONLY_IN[library]]
    users = {path.relative_to(root).parts[0] for path in root.rglob("*.py") if library in libraries(path)}

    assert users <= folders


@pytest.mark.parametrize(("library", "package"), ONLY_IN_MODULES)
def test_a_library_of_the_user_is_used_in_a_few_modules_only(library, package):
    """No other module has to wait for its import."""
    users = {
        path.relative_to(PACKAGES[package]).as_posix()
        for path in modules(package)
        if library in libraries(path)
    }

    assert users == ONLY_IN_MODULES[library, package]


@pytest.mark.parametrize("path", modules("esper_lite", "integrations"), ids=lambda path: path.stem)
def test_an_integration_imports_one_library(path):
    """What integrations share imports none, so that each needs its own library only."""
    assert len(libraries(path) & INTEGRATED) <= 1


@pytest.mark.process
@pytest.mark.parametrize(("package", "folder"), FREE_OF)
def test_a_folder_loads_no_forbidden_module(package, folder):
    """Indirect imports count: the protocol works without zmq, the fold without the bus."""
    names = [dotted(path) for path in modules(package, folder)]
    program = (
        "import importlib, sys\n"
        f"for name in {names}: importlib.import_module(name)\n"
        f"print(sorted({FREE_OF[package, folder]} & set(sys.modules)))"
    )

    result = run(program)

    assert result.stdout.strip() == "[]", result.stderr


@pytest.mark.process
def test_everything_but_the_trainer_imports_without_torch():
    """A machine that only shows runs needs no torch, and commands do not wait for its import.

    An integration imports its library, which imports torch; the others and what they share do not.
    """
    names = [
        dotted(path)
        for package in PACKAGES
        if package != "esper_trainer"
        for path in modules(package)
        if path.name != "__main__.py" and not libraries(path) & INTEGRATED
    ]
    program = (
        "import importlib, sys\n"
        f"for name in {[*names, 'esper_trainer.request']}: importlib.import_module(name)\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )

    result = run(program)

    assert result.returncode == 0, result.stderr
