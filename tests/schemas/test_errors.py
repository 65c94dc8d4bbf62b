"""The errors that a user can see have one base class."""

import pytest

from esper_schemas import errors
from esper_schemas.errors import EsperError


def test_every_error_is_an_esper_error():
    """One `except EsperError` catches all of them, and each has a docstring."""
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
def test_no_error_is_a_subclass_of_another(name):
    """Catching one of them catches no other."""
    assert getattr(errors, name).__bases__ == (EsperError,)
