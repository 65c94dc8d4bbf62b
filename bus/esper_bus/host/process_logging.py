"""Logging of Esper's own processes: structlog renders the records of `logging` on stderr."""

import logging
import sys
from typing import TextIO

import structlog

from esper_bus.rate_limited_log import LogMessage

_handlers: list[logging.Handler] = []
"""The handler that `configure_logging` has installed, if any."""


def configure_logging(*, json: bool = False, stream: TextIO | None = None) -> None:
    """Write log records to `stream`, stderr by default, as key-value or JSON lines with their fields.

    Esper's own records from level info on, those of other libraries from level warning on.
    """
    stream = sys.stderr if stream is None else stream
    reset_logging()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(json=json, colors=stream.isatty()))
    logging.getLogger().addHandler(handler)
    logging.getLogger("esper").setLevel(logging.INFO)
    _handlers.append(handler)


def reset_logging() -> None:
    """Undo `configure_logging`."""
    while _handlers:
        logging.getLogger().removeHandler(_handlers.pop())
    logging.getLogger("esper").setLevel(logging.NOTSET)


def _formatter(*, json: bool, colors: bool) -> logging.Formatter:
    processors = structlog.processors
    renderer: structlog.typing.Processor = (
        processors.JSONRenderer(default=str) if json else structlog.dev.ConsoleRenderer(colors=colors)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            processors.TimeStamper(fmt="iso", utc=True),
            _add_fields,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            processors.format_exc_info,
            renderer,
        ],
    )


def _add_fields(
    logger: logging.Logger, name: str, event_dict: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Replace the text of a `LogMessage` by its event and fields."""
    message = event_dict["_record"].msg
    if not isinstance(message, LogMessage):
        return event_dict
    return {**event_dict, "event": message.event, **message.fields}
