"""Counts that stay within what a snapshot can hold, whatever is added to them."""

LARGEST_COUNT = 2**64 - 1
SMALLEST_COUNT = -(2**63)
"""The integers that msgpack has room for."""


def bounded(count: int) -> int:
    """The count itself, or the nearest one that can be encoded."""
    return min(max(count, SMALLEST_COUNT), LARGEST_COUNT)
