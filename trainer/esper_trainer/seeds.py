"""Independent random streams from one seed."""

import hashlib


def derived_seed(seed: int, purpose: str) -> int:
    """A seed for one purpose; generators that share a seed would repeat each other's numbers."""
    digest = hashlib.sha256(f"{seed}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:6], "big")
