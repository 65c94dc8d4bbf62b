"""Commands run inside the tests' process, and leave it as they found it."""

from collections.abc import Iterator

import pytest

from esper_bus.host.process_logging import reset_logging


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command sends log lines to the stderr of its test, which is closed when the test is over."""
    yield
    reset_logging()
