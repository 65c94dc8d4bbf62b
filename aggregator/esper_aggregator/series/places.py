"""Where the rows of a series are on an axis."""

import numpy as np

from esper_aggregator.series.collected_rows import NO_STEP
from esper_aggregator.series.row_block import Block, Floats, Integers, Mask
from esper_schemas.history import Axis


def places_on(block: Block, axis: Axis, rows: Mask | None) -> tuple[Floats, Mask | None]:
    """Return the places of rows on an axis, and which of them have one, None for all."""
    if axis == "env_step":  # of a trainer that reports no environment steps, the step that it gives
        steps = selected(block.key("step"), rows)
        return steps.astype(np.float64), steps != NO_STEP
    if axis == "time":
        return selected(block.key("time_ns"), rows) / 1e9, None
    return selected(block.key("update"), rows).astype(np.float64), None


def selected(key: Integers, rows: Mask | None) -> Integers:
    """Return some of the rows, or all for None."""
    return key if rows is None else key[rows]
