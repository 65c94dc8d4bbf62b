"""The documentation names files and folders that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = {path.parent for path in ROOT.glob("*/esper_*")}
PATH = re.compile(r"`((?:tests|docs|benchmarks|reference|esper_\w+|[a-z]+/esper_\w+)/[\w./-]*\w)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def exists(page, name):
    """Whether a path exists relative to the page, the repository, or a source folder."""
    return any((folder / name).exists() for folder in (page.parent, ROOT, *SOURCES))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_path_and_link_on_a_page_exists(page):
    """This covers paths in backticks and relative links."""
    text = page.read_text()

    assert [name for name in PATH.findall(text) if not exists(page, name)] == []
    assert [name for name in LINK.findall(text) if not (page.parent / name).exists()] == []


def tree():
    """The folders of the tree in docs/architecture.md, as paths below the repository."""
    section = (ROOT / "docs" / "architecture.md").read_text().split("## The tree")[1].split("\n## ")[0]
    stack = []
    for line in section.splitlines():
        if match := re.fullmatch(r"    ( *)(\S+)  +\S.*", line):
            del stack[len(match[1]) // 2 :]
            stack.append(match[2])
            yield "/".join(stack)


def test_the_tree_on_the_architecture_page_is_the_source_tree():
    """Every package and every subpackage has a line, and there are no other lines."""
    packages = [path for path in ROOT.glob("*/esper_*") if path.is_dir()]
    folders = {init.parent for package in packages for init in package.rglob("__init__.py")}

    assert sorted(tree()) == sorted(folder.relative_to(ROOT).as_posix() for folder in folders)
