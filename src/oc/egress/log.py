"""One JSON object a line on standard error. Never a secret, a header's value, a query or a body.

What mitmproxy logs is not passed on: it quotes what it read from sockets. Of its errors the type and the place remain.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from types import TracebackType


def write(level: str, event: str, **fields: object) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    print(json.dumps({"timestamp": at, "level": level, "event": event, **fields}), file=sys.stderr, flush=True)


def place(trace: TracebackType | None) -> str:
    """Where an exception came from: file, line, function."""
    frames = traceback.extract_tb(trace)
    return f"{frames[-1].filename}:{frames[-1].lineno} {frames[-1].name}" if frames else ""


class Reduced(logging.Handler):
    """Takes the records of libraries."""

    def emit(self, record: logging.LogRecord) -> None:
        kind, _, trace = record.exc_info or (None, None, None)
        where = place(trace) or f"{record.pathname}:{record.lineno}"
        write(record.levelname.lower(), "library", logger=record.name, error=kind.__name__ if kind else "", at=where)


def start() -> None:
    logging.basicConfig(handlers=[Reduced()], level=logging.ERROR, force=True)
