"""The checker of the chaos runs detects deliberate bugs in real processes."""

import pytest
from benchmarks.chaos.world import World

pytestmark = pytest.mark.process

IN_AGGREGATOR = {
    "one event is not logged": "in place of",
    "one event is logged twice": "in place of",
    "one event is changed": "differs in spool and log",
}
IN_TRAINER = {
    "one event is dropped and not counted": "is missing and was not counted",
    "one event is not spooled": "were written to the spool",
}


@pytest.fixture
def world():
    """An empty world."""
    world = World(seed=1)
    yield world
    world.close()


@pytest.mark.parametrize("bug", IN_AGGREGATOR)
def test_a_bug_of_the_aggregator_is_found(world, bug):
    """An event that is lost, duplicated or changed is detected."""
    world.aggregator(sabotage=(bug, 60))
    world.trainer(events=200)

    assert IN_AGGREGATOR[bug] in "; ".join(world.finish())


@pytest.mark.parametrize("bug", IN_TRAINER)
def test_a_bug_of_the_trainer_is_found(world, bug):
    """An event that is neither recorded nor counted, or not in the spool, is detected."""
    world.aggregator()
    world.trainer(events=200, sabotage=(bug, 60))

    assert IN_TRAINER[bug] in "; ".join(world.finish())


def test_an_acknowledgement_before_the_log_is_found(world):
    """It is detected when the aggregator is killed, and is the only fault at the end."""
    aggregator = world.aggregator(sabotage=("acknowledged before it is logged", 200))
    trainer = world.trainer(events=100_000)
    world.acknowledged(100)
    world.kill(aggregator)
    world.kill(trainer)

    assert "were acknowledged when the aggregator died" in "; ".join(world.faults)
    assert len(world.finish()) == 1
