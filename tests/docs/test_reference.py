"""The generated reference matches the types of events and metrics."""

import importlib.util
import json
from pathlib import Path

import pytest

from esper_bus.mcap.event_channels import event_schema
from esper_schemas.aliases import CONVENTIONS, LIBRARIES
from esper_schemas.events import EVENT_TYPES
from esper_schemas.metrics.catalogue import QUANTITIES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def make_reference():
    """The script that writes the reference, as a module."""
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = ["metrics.md", "watches.md", "events.schema.json", "names.md", "observation.md"]


@pytest.mark.parametrize("name", PAGES)
def test_the_committed_reference_is_not_stale(make_reference, name):
    """It equals what `python docs/make_reference.py` writes."""
    committed = (DOCS / "reference" / name).read_text(encoding="utf-8")

    assert committed == make_reference.PAGES[name](), "run python docs/make_reference.py"


def test_every_page_is_tested_for_being_stale(make_reference):
    """The parameters of the test above are all pages."""
    assert set(make_reference.PAGES) == set(PAGES)


def test_every_quantity_is_in_the_reference(make_reference):
    """The page has the name, the meaning and the question of each field."""
    page = " ".join(make_reference.metrics_page().split())

    for field in QUANTITIES.values():
        assert f"`{field.name}`" in page
        assert field.metric.meaning in page
        assert field.metric.question in page


def test_the_exported_schema_is_the_one_in_the_logs(make_reference):
    """Both are the same JSON Schema, which defines every kind of event."""
    schema = json.loads(make_reference.events_schema())

    assert schema == json.loads(event_schema())
    assert {kind.__name__ for kind in EVENT_TYPES} <= set(schema["$defs"])


def test_every_name_of_a_library_is_in_the_reference(make_reference):
    """The page has each name with its field, each remark, and each convention."""
    page = make_reference.names_page()

    for library in LIBRARIES:
        section = page.partition(f"## {library.name}\n")[2].partition("\n## ")[0]
        assert all(f"| `{name}` | `{alias.field}` |" in section for name, alias in library.aliases.items())
        assert all(f"| `{name}` | {why} |" in section for name, why in library.scalars.items())
        assert all(f"| `{name}` | {why} |" in section for name, why in library.exceptions.items())
    assert all(f"| {name} | {meaning} |" in page for name, meaning in CONVENTIONS.items())


def test_the_reference_lists_the_divergences_that_may_be_negative(make_reference):
    """They are those by the k1 estimator."""
    page = " ".join(make_reference.names_page().split())
    listed = page.partition("not an error: ")[2].partition(".")[0]

    assert "`actor/ppo_kl`" in listed
    assert "`kl_approx`" in listed
    assert "`losses/approx_kl`" not in listed
