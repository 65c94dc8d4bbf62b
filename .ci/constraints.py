"""Pin every dependency to the newest version that its range allows: `make constraints`.

Writes constraints.txt, which pip reads, and the copy of it in pyproject.toml that uv reads.
Run all tests before the result is committed: a version stands in the list because the tests passed with it.
"""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
PROJECT = ROOT / "pyproject.toml"
PYTHON = "3.11"
"""The version of Python that the tests run on."""
ARRAY = re.compile(r"(?<=^constraint-dependencies = \[\n).*?(?=^\])", re.MULTILINE | re.DOTALL)


def newest() -> list[str]:
    """Resolve the newest versions for development with all integrations, without the constraints of today."""
    flags = "--no-config --upgrade --quiet --no-header --no-annotate --no-emit-package esper-lite"
    extras = "--extra dev --extra integrations"
    command = ["uv", "pip", "compile", *flags.split(), "--python-version", PYTHON, *extras.split(), PROJECT]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def without_build(pin: str) -> str:
    """Return a pin without its local version: torch 2.13.0+cpu and 2.13.0 are the same release."""
    return pin.partition("+")[0]


def with_constraints(project: str, pins: list[str]) -> str:
    """Return the text of pyproject.toml with these pins as uv's constraints."""
    rows = "".join(f'    "{pin}",\n' for pin in pins)
    return ARRAY.sub(lambda _: rows, project, count=1)


def main() -> None:
    """Write the newest pins to both files."""
    pins = [without_build(pin) for pin in newest()]
    CONSTRAINTS.write_text("".join(f"{pin}\n" for pin in pins), encoding="utf-8")
    PROJECT.write_text(with_constraints(PROJECT.read_text(encoding="utf-8"), pins), encoding="utf-8")


if __name__ == "__main__":
    main()
