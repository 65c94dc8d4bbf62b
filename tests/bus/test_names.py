"""Tests of names and epochs."""

import pytest

from esper_bus.names import check_name, epoch_hex, file_part, is_name, new_epoch
from esper_schemas.errors import InvalidArgument


@pytest.mark.parametrize("name", ["a", "run-7", "host.domain:0", "2026-11-21T12:00", "a" * 96])
def test_common_names_are_valid(name):
    """Host names with ranks, dates and words are accepted."""
    assert check_name("run", name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", " a", "ä", "a" * 97])
def test_an_invalid_name_is_refused(name):
    """The error says which characters are allowed."""
    assert not is_name(name)
    with pytest.raises(InvalidArgument, match="cannot name a run: use letters"):
        check_name("run", name)


def test_a_name_is_a_harmless_part_of_a_file_name():
    """Colons and other special characters are replaced."""
    assert file_part("host.domain:0@x") == "host.domain-0-x"


def test_epochs_are_different_64_bit_numbers():
    """Two starts of one trainer have different epochs."""
    epochs = {new_epoch() for _ in range(1000)}

    assert len(epochs) == 1000
    assert all(0 <= epoch < 2**64 and len(epoch_hex(epoch)) == 16 for epoch in epochs)
