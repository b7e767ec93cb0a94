"""Reading a small request body, and writing a JSON answer."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from oc.model.errors import TooLarge

LARGEST = 8 << 20  # bytes; the largest command, every byte of it escaped as \uXXXX, fits


async def read(request: Request) -> bytes:
    """Raises TooLarge above LARGEST, before more is read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise TooLarge(f"the request body is larger than {LARGEST} bytes")
    return bytes(body)


def answer(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
