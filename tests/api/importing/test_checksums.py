"""Tests of the CRC-32C by its published check values."""

import sys

import pytest

from esper_lite.importing import checksums


@pytest.mark.parametrize(
    ("data", "crc"),
    [(b"", 0), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)],
)
def test_the_checksum_is_crc_32c(data, crc):
    """The values are those of RFC 3720, appendix B.4."""
    assert checksums.crc32c(data) == crc


@pytest.mark.parametrize("installed", [True, False])
def test_the_stored_checksum_is_masked_with_and_without_the_library(monkeypatch, installed):
    """It is the one that TensorBoard stores for the length of its first record, 24 bytes."""
    if not installed:
        monkeypatch.setitem(sys.modules, "google_crc32c", None)
    checksums._implementation.cache_clear()
    try:
        assert checksums.masked_crc32c((24).to_bytes(8, "little")) == 575373219
    finally:
        checksums._implementation.cache_clear()
