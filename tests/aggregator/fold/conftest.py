"""A fixture for snapshots of given events."""

import pytest
from tests.aggregator.fold.validated import fold_all, project


@pytest.fixture
def shown(record_of):
    """The snapshot after some events of one producer."""
    return lambda *events: project(fold_all(map(record_of, events)))
