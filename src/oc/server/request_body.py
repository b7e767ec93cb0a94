"""Reading a JSON body of limited size."""

from __future__ import annotations

from typing import TypeVar

from starlette.requests import Request

from oc.api.decode import MAX_BODY, decode
from oc.model.errors import TooLarge

T = TypeVar("T")


async def read(request: Request, kind: type[T]) -> T:
    """Raises BadRequest, and TooLarge before more than MAX_BODY is read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise TooLarge(f"the request body is larger than {MAX_BODY} bytes")
    return decode(bytes(body), kind)
