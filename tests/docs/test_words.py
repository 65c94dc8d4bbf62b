"""Names and sentences use the terms of the glossary in CONTRIBUTING.md."""

import ast
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKED = ("aggregator", "api", "bus", "cli", "schemas", "trainer", "tui")
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "reference")
NAMES = {
    "companion", "complaint", "complaints", "course", "courses", "division", "door", "doors", "player",
    "rival", "rivals", "said", "says", "story", "tell", "tells", "thin", "told", "trouble", "usual",
    "watchman",
}  # fmt: skip
"""Words that must not be part of a name that a module defines."""

PHRASES = re.compile(
    r"\b(so many|(?:is|are) told|lest|somebody|whoever|(?:is|are) no (?:number|size|key)s?)\b",
    re.IGNORECASE,
)
"""Phrases that must not be in a docstring, a comment, a message or a page."""


def modules():
    """The modules of the packages that are checked."""
    return [path for package in CHECKED for path in sorted((ROOT / package).rglob("*.py"))]


def defined_names(source):
    """The names that a module defines."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


def words(name):
    """The words of an identifier, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def sentences(source):
    """The text of all strings and comments of a module."""
    kinds = (tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
    tokens = tokenize.generate_tokens(iter(source.splitlines(keepends=True)).__next__)
    return [" ".join(token.string.split()) for token in tokens if token.type in kinds]


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_uses_the_terms_of_the_glossary(path):
    """This covers the names that it defines, and its docstrings, comments and messages."""
    source = path.read_text()

    assert [name for name in defined_names(source) if words(name) & NAMES] == []
    assert [text for text in sentences(source) if PHRASES.search(text)] == []


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_a_page_uses_the_terms_of_the_glossary(page):
    """Generated references are checked through the code that they are generated from."""
    assert PHRASES.findall(page.read_text()) == []


def test_the_check_finds_what_it_looks_for():
    """It finds a name, a docstring, a comment and an f-string, but not words within other words."""
    source = 'def tell_rivals(count):\n    """Is told."""  # lest it fails\n    told = f"{count} is no key"\n'

    assert [words(name) & NAMES for name in defined_names(source)] == [{"tell", "rivals"}, set(), {"told"}]
    assert [PHRASES.findall(text) for text in sentences(source)] == [
        ["Is told"],
        ["lest"],
        ["is no key"],
    ]
    assert words("HistoryDoorbell_storyboard") & NAMES == set()
