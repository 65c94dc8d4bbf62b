"""The tables of the libraries agree with one another and with the catalogue."""

from collections import defaultdict

import pytest

from esper_schemas.aliases import (
    CONVENTIONS,
    DROPPED,
    EPISODE_FIELDS,
    LIBRARIES,
    OWN_NAMES,
    ROLLOUT_FIELDS,
    alias_of,
)
from esper_schemas.metrics.catalogue import CATALOGUE

ROWS = [
    pytest.param(library, name, alias, id=f"{library.name}: {name}")
    for library in LIBRARIES
    for name, alias in library.aliases.items()
]


def test_no_two_libraries_map_one_name_differently():
    """A name has one field, one factor and one convention, whichever library logged it."""
    meanings = defaultdict(set)
    for library in LIBRARIES:
        for name, alias in library.aliases.items():
            meanings[name].add((alias.field, alias.factor, alias.zero_is_unmeasured))
    conventions = defaultdict(set)
    for library in LIBRARIES:
        for name, alias in library.aliases.items():
            if library.name != "names without a library":
                conventions[name].add(alias.convention)

    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}
    assert {name: found for name, found in conventions.items() if len(found) > 1} == {}


def test_no_library_claims_a_name_of_the_catalogue():
    """A table cannot change what Esper's own names mean."""
    claimed = {name for library in LIBRARIES for name in library.aliases}

    assert claimed & set(OWN_NAMES) == set()


@pytest.mark.parametrize(("library", "name", "alias"), ROWS)
def test_every_entry_refers_to_a_known_field_and_convention(library, name, alias):
    """The field is one of an update, a rollout or an episode; the convention is documented."""
    assert alias.field in {*CATALOGUE, *ROLLOUT_FIELDS, *EPISODE_FIELDS}
    assert alias.convention in {"", *CONVENTIONS}
    assert alias.factor != 0.0


def test_every_documented_convention_is_used():
    """The table of conventions has no entry that no library follows."""
    assert {alias.convention for library in LIBRARIES for alias in library.aliases.values()} == {
        "",
        *CONVENTIONS,
    }


def test_a_divergence_or_value_loss_of_a_library_tells_its_definition():
    """Without a convention, a reader could not tell k1 from k3, or half an error from the whole."""
    unknown = {
        (library.name, name)
        for library in LIBRARIES
        for name, alias in library.aliases.items()
        if alias.field in {"kl_divergence", "value_loss"} and not alias.convention
    }

    assert unknown == {
        ("names without a library", "approx_kl"),
        ("names without a library", "v_loss"),
        ("names without a library", "vf_loss"),
        ("SheepRL", "Loss/value_loss"),
    }


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_names_that_are_listed_as_scalars_are_scalars(library):
    """No other library makes a field of a name for which one gives a reason not to."""
    assert [name for name in library.scalars if alias_of(name) or name in DROPPED] == []


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_exceptions_are_names_that_are_read_as_a_field(library):
    """An exception tells what differs from the meaning that the name is read with."""
    assert [name for name in library.exceptions if alias_of(name) is None] == []


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_dropped_names_are_not_mapped(library):
    """A name is read, kept as a scalar, or dropped."""
    assert [name for name in library.dropped if alias_of(name)] == []
    assert library.source
    assert library.step
