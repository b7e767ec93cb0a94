"""Calls of the API: JSON there, JSON back, and errors in the words of the server."""

from __future__ import annotations

import json
import os
from urllib.parse import quote

from oc.cli import http
from oc.cli.errors import ApiError, CliError, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from oc.cli.origin import Origin

ANSWER_S = 300.0
KEYS_PAGE = "/settings/keys"  # of the dashboard
LONGEST_ERROR = 500


def path(*parts: str) -> str:
    """`/sandboxes/sb-1/exec` from its parts, each of which may hold anything but nothing."""
    if not all(parts):
        raise CliError("an empty ID names nothing")
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def once() -> dict[str, str]:
    """Headers with which a request that reaches the server twice is done once."""
    return {"Idempotency-Key": os.urandom(16).hex()}


def key_wanted(url: str) -> str:
    """What somebody without a key does; `url` is the server's."""
    page = url.removesuffix("/api") + KEYS_PAGE
    return (
        f"make a key at {page} and set it with: oc config set api-key KEY (or OPENCOMPUTER_API_KEY, or --api-key); "
        "or use: oc login; or, on the server's host: oc-host keys create"
    )


class Api:
    def __init__(self, origin: Origin, key: str, most: int = 0) -> None:
        """`most`: bytes that an answer may have; 0: any number."""
        if not key.isascii() or not key.isprintable():
            raise CliError("unauthorized: the API key has characters that no key has", hint=key_wanted(origin.url))
        self.origin = origin
        self._key = key
        self._most = most

    def headers(self) -> dict[str, str]:
        """What every request has."""
        headers = {"Host": self.origin.authority, "User-Agent": "oc"}
        return headers | {"X-API-Key": self._key} if self._key else headers

    def call(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        answer_s: float = ANSWER_S,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The decoded answer, None where there is none.

        Raises ApiError for an error status, Unreachable without an answer within `answer_s` seconds.
        """
        content = b"" if body is None else json.dumps(body).encode()
        sent = self.headers() | {"Connection": "close", "Accept": "application/json"}
        if method != "GET":
            sent["Content-Length"] = str(len(content))
        if content:
            sent["Content-Type"] = "application/json"
        response, data = self._exchange(
            method, self.origin.path + target, sent | dict(headers or {}), content, answer_s
        )
        return self.decode(response, data)

    def array(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        needs: tuple[str, ...],
        answer_s: float = ANSWER_S,
        headers: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """A list of objects that have the keys they need; null is an empty one (contract 0.5)."""
        return self._shaped(self.call(method, target, body, answer_s=answer_s, headers=headers) or [], needs)

    def object(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        needs: tuple[str, ...],
        answer_s: float = ANSWER_S,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """An answer that has the keys it needs. Raises as `call` does, and Unreachable for anything else."""
        answer = self.call(method, target, body, answer_s=answer_s, headers=headers)
        return self._shaped([answer], needs)[0]

    def delete(self, target: str) -> None:
        """What is gone already is deleted as well (contract 9.15)."""
        try:
            self.call("DELETE", target)
        except ApiError as error:
            if error.status != 404:
                raise

    def _shaped(self, items: Any, needs: tuple[str, ...]) -> list[dict[str, Any]]:
        if isinstance(items, list) and all(isinstance(item, dict) and item.keys() >= set(needs) for item in items):
            return items
        raise Unreachable(f"{self.origin.url} is not the API: its answer lacks {', '.join(needs) or 'an object'}")

    def _exchange(
        self, method: str, target: str, headers: dict[str, str], content: bytes, answer_s: float
    ) -> tuple[http.Response, bytes]:
        with self.origin.connect() as stream:
            try:
                stream.settimeout(answer_s)
                http.send(stream, method, target, headers, content)
                response = http.receive(stream, self._most)
                return response, response.body()
            except OSError as error:
                raise self.origin.unreachable(error) from error

    def decode(self, response: http.Response, data: bytes) -> Any:
        if response.status >= 400:
            raise failure(response.status, data, self.origin.url)
        if response.status >= 300:
            where = response.headers.get("location", "elsewhere")
            raise CliError(f"{self.origin.url} is not the API: it redirects to {where}", hint="set the right api-url")
        if not data.strip():
            return None
        try:
            return json.loads(data)
        except ValueError as error:
            raise Unreachable(f"{self.origin.url} is not the API: its answer is not JSON") from error


def failure(status: int, data: bytes, url: str) -> ApiError:
    """From the error envelope (contract 1.5), or from whatever a proxy in between has written."""
    text, hint = _envelope(data)
    if status == 401:
        known = "unauthorized" in text.lower() or "missing api key" in text.lower()
        return ApiError(status, text if known else f"unauthorized: {text}", hint=key_wanted(url))
    return ApiError(status, text or f"the server answered with status {status}", hint=hint)


def _envelope(data: bytes) -> tuple[str, str]:
    try:
        body = json.loads(data)
        error = body["error"]
        return str(error["message"] if isinstance(error, dict) else error), str(body.get("hint") or "")
    except (ValueError, KeyError, TypeError):
        return data.decode("utf-8", "replace")[:LONGEST_ERROR], ""
