"""The fold and the projection for tests, which check the state after every call."""

from esper_aggregator.fold import fold as production
from esper_aggregator.fold import projection
from esper_aggregator.fold.invariants import validate
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold.state_codec import encode_state


def fold(state, record):
    """Fold one record and validate the state."""
    production.fold(state, record)
    validate(state)
    return state


def fold_all(records, state=None):
    """Fold records in their order, into a fresh state unless one is given."""
    state = RunState() if state is None else state
    for record in records:
        fold(state, record)
    return state


def project(state):
    """Project a state, which must not change it."""
    before = encode_state(state)
    snapshot = projection.project(state)
    assert encode_state(state) == before
    return snapshot
