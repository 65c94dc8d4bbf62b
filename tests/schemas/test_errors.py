"""The errors that a user can meet are one family."""

import pytest

import esper_bus
from esper_schemas import errors
from esper_schemas.errors import EsperError


def test_every_error_is_an_esper_error():
    """One `except EsperError` catches all of them, and each says in its docstring when it is raised."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]

    assert {kind.__name__ for kind in kinds} == {
        "EsperError",
        "RunExists",
        "Refused",
        "Unreachable",
        "InvalidArgument",
        "StorageError",
        "Damaged",
    }
    assert all(issubclass(kind, EsperError) and kind.__doc__ for kind in kinds)


@pytest.mark.parametrize("name", ["RunExists", "Refused", "Unreachable", "InvalidArgument", "StorageError"])
def test_no_error_is_a_special_case_of_another(name):
    """Catching one of them catches no other."""
    assert getattr(errors, name).__bases__ == (EsperError,)


def test_the_name_of_the_first_version_catches_all_of_them():
    """`except esper_bus.BusError` of a program for 0.1.0 goes on working."""
    assert esper_bus.BusError is EsperError
