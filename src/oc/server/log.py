"""The log: one JSON object a line, on standard error. Keys, tokens, queries and bodies are never given to it."""

from __future__ import annotations

import logging
import sys
from typing import Any

import msgspec
import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Known(logging.Filter):
    """uvicorn wonders at WebSockets refused over HTTP and at answers broken off; `edge` logs both, with the reason."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("ASGI callable returned without completing")


def configure(level: str) -> None:
    """Also of libraries that use the standard library's logging: from warnings up."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s", force=True)
    logging.getLogger("uvicorn.error").addFilter(Known())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_line),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS.get(level, logging.INFO)),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def _line(event: Any, **_: Any) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)
