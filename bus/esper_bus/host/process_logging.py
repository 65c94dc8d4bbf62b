"""How every process of Esper logs: structlog, key-value or JSON lines on stderr."""

import logging
import sys
from typing import TextIO

import structlog


def configure_logging(*, json: bool = False, stream: TextIO | None = None) -> None:
    """Send structured log lines of level info and above to `stream`, stderr by default."""
    stream = sys.stderr if stream is None else stream
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
