"""One list of tested versions for pip and uv that names no host."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def constraints():
    """`.ci/constraints.py`, which writes both lists."""
    spec = importlib.util.spec_from_file_location("constraints", ROOT / ".ci" / "constraints.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def direct_requirements():
    """The requirements of a development install, without the project's own extras."""
    project = tomllib.loads(PROJECT)["project"]
    extras = project["optional-dependencies"]
    required = [
        *project["dependencies"],
        *(line for name in extras if name != "benchmarks" for line in extras[name]),
    ]
    return [requirement for requirement in map(Requirement, required) if requirement.name != project["name"]]


def test_pip_and_uv_have_the_same_constraints(constraints):
    """pyproject.toml repeats constraints.txt, because pip reads the one and uv the other."""
    assert tomllib.loads(PROJECT)["tool"]["uv"]["constraint-dependencies"] == PINS
    assert constraints.with_constraints(PROJECT, PINS) == PROJECT


@pytest.mark.parametrize("pin", PINS)
def test_a_constraint_is_a_name_and_a_public_version(pin):
    """It has no URL, path, index or local build such as 2.13.0+cpu."""
    assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin)


@pytest.mark.parametrize("requirement", direct_requirements(), ids=str)
def test_the_constraint_of_a_dependency_is_in_its_range(requirement):
    """Otherwise an installation could differ from the tested one."""
    versions = dict(pin.split("==") for pin in PINS)

    assert versions[requirement.name] in requirement.specifier


def test_a_local_build_is_pinned_as_its_release(constraints):
    """Only one host offers the version of a CPU wheel."""
    assert constraints.without_build("torch==2.13.0+cpu") == "torch==2.13.0"
    assert constraints.without_build("numpy==2.4.6") == "numpy==2.4.6"
