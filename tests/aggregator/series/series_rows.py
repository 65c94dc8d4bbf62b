"""Rows of a series, made up for tests."""

import random

from esper_aggregator.fold.observer import Origin
from esper_aggregator.fold.run_state import ProducerState
from esper_aggregator.series.collected_rows import CollectedRows
from esper_aggregator.series.row_block import block_of
from esper_schemas.payload import HeadMeasures, PPOUpdatePayload

VALUES = (None, 0.5, -0.0, float("nan"), float("inf"), float("-inf"), 1e39, 1e-320, 0.1, 3.0)


def rows_of(count, *, first=0, seed=0):
    """A block of rows that were measured in part, from a position on."""
    dice = random.Random(seed + first)
    collected, producer = CollectedRows(), ProducerState(producer="trainer:0")
    for number in range(first, first + count):
        origin = Origin(number + 1, producer, 1, 10**18 + dice.randrange(10**9), number, None)
        values = {name: dice.choice(VALUES) for name in ("entropy", "kl_divergence")}
        heads = {"move": HeadMeasures(entropy=dice.choice(VALUES))} if dice.random() < 0.5 else {}
        collected.update_completed(origin, PPOUpdatePayload(policy_loss=0.25, **values, heads=heads))
        if dice.random() < 0.3:
            collected.scalars_recorded(origin._replace(step=number * 100), {"own/metric": dice.random()})
    return block_of(collected)


def content(*blocks):
    """Everything in some blocks, so that equal contents are equal texts."""
    keys, columns = {}, {}
    for block in blocks:
        for name in ("position", "update", "time_ns", "process", "kind", "step"):
            keys.setdefault(name, []).extend(block.key(name).tolist())
    for name in dict.fromkeys(name for block in blocks for name in block.names):
        columns[name] = []
        for block in blocks:
            column = block.column(name)
            values = [] if column is None else column.values.tolist()
            rest = iter(values)
            rows = [False] * block.length if column is None else column.rows
            rows = [True] * block.length if rows is None else rows
            columns[name] += [next(rest) if row else None for row in rows]
            assert next(rest, None) is None
    return repr((keys, sorted(columns.items())))
