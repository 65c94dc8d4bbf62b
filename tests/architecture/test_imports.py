"""Imports point one way, and heavy libraries stay in the package they are for."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {path.name: path for path in ROOT.glob("*/esper_*") if path.is_dir()}
MAY_IMPORT = {
    "esper_schemas": set(),
    "esper_bus": {"esper_schemas"},
    "esper_aggregator": {"esper_schemas", "esper_bus"},
    "esper_trainer": {"esper_schemas", "esper_bus"},
    "esper_tui": {"esper_schemas", "esper_bus"},
    "esper_cli": {"esper_schemas", "esper_bus", "esper_aggregator", "esper_trainer", "esper_tui"},
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
}
FOLD = ["fold.py", "projection.py", "state.py"]


def modules(package):
    """Every module of a package."""
    return sorted(PACKAGES[package].rglob("*.py"))


def imported(path):
    """The top-level names that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_arrows_point_one_way(package):
    """schemas <- bus <- aggregator, trainer, tui <- cli."""
    allowed = MAY_IMPORT[package] | {package}
    found = {name for path in modules(package) for name in imported(path) if name.startswith("esper_")}

    assert found <= allowed


@pytest.mark.parametrize(("library", "home"), ONLY_IN.items())
def test_a_library_stays_in_its_package(library, home):
    """torch only in the trainer, textual only in the screen, zmq only in the bus."""
    users = {package for package in PACKAGES for path in modules(package) if library in set(imported(path))}

    assert users <= {home}


@pytest.mark.parametrize("name", FOLD)
def test_the_fold_imports_only_the_contract(name):
    """The fold knows no bus, clock, thread or socket."""
    found = set(imported(PACKAGES["esper_aggregator"] / name))

    assert found <= {
        "esper_schemas",
        "esper_aggregator",
        "collections",
        "dataclasses",
        "math",
        "operator",
        "statistics",
        "typing",
        "msgspec",
    }


def test_everything_but_the_trainer_imports_without_torch():
    """A laptop that only watches needs no torch, and no command pays for importing it."""
    names = [
        ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")
        for package, root in PACKAGES.items()
        if package != "esper_trainer"
        for path in modules(package)
        if path.name != "__main__.py"
    ]
    program = (
        "import importlib, sys\n"
        f"for name in {[*names, 'esper_trainer.options']}: importlib.import_module(name)\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stderr


def test_the_screen_imports_no_socket_library():
    """Sanctum draws what a source gives it; it knows no zmq."""
    program = "import sys, esper_tui.app\nassert not {'zmq', 'torch', 'mcap'} & set(sys.modules)"

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stderr


def test_the_layout_is_the_designed_one():
    """Six packages, each in the folder that it is named after."""
    assert {name: path.parent.name for name, path in PACKAGES.items()} == {
        f"esper_{folder}": folder for folder in ("schemas", "bus", "aggregator", "trainer", "tui", "cli")
    }
