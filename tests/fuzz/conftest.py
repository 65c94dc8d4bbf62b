"""Fixtures for seeded mutations of valid bytes, and for the use of memory."""

import random
import tracemalloc

import pytest

ROUNDS = 10_000


def _flip(data, rng):
    at = rng.randrange(len(data))
    data[at] ^= 1 << rng.randrange(8)


def _replace(data, rng):
    at = rng.randrange(len(data))
    data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xC1, 0xDC, 0xDD, 0xDF, 0xFF))


def _cut(data, rng):
    del data[rng.randrange(len(data)) :]


def _insert(data, rng):
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.randint(1, 9))


def _repeat(data, rng):
    start = rng.randrange(len(data))
    data[start:start] = data[start : start + rng.randint(1, 40)]


def _remove(data, rng):
    start = rng.randrange(len(data))
    del data[start : start + rng.randint(1, 40)]


def _lengthen(data, rng):
    at = rng.randrange(len(data))
    data[at : at + 4] = b"\xff\xff\xff\x7f"


CHANGES = (_flip, _flip, _replace, _replace, _cut, _insert, _repeat, _remove, _lengthen)


def _mutated(data, rng):
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        if changed:
            rng.choice(CHANGES)(changed, rng)
    return bytes(changed)


@pytest.fixture
def mutations():
    """Makes mutations of samples of valid bytes, the same ones in every run of the tests."""

    def make(samples, rounds=ROUNDS):
        rng = random.Random(20_240_607)
        return (_mutated(rng.choice(samples), rng) for _ in range(rounds))

    return make


@pytest.fixture
def peak_memory():
    """Returns the peak of allocated bytes since the fixture was set up."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
