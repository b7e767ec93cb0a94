"""Files of a sandbox (contract 2.5.1-2.5.3), streamed both ways and never held."""

from __future__ import annotations

import posixpath
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from oc.model.errors import BadRequest, TooLarge
from oc.wire.messages import Entry
from oc.worker import json_body
from oc.worker.agent.link import Link
from oc.worker.agent.pipe import Pipe
from oc.worker.links import Links
from oc.worker.refusals import FILES, READING, refusals
from oc.worker.side_by_side import first_of, side_by_side, until_gone

HOME = "/root"  # of the default user; relative paths begin there
LONGEST_PATH = 4095  # bytes; PATH_MAX of Linux less its NUL
LARGEST = 2 << 30  # bytes of one upload (contract 2.5.2)
MODE = 0o644


def path_of(request: Request, default: str = "") -> str:
    """The absolute path that a request means. Raises BadRequest."""
    path = request.query_params.get("path") or default
    if not path:
        raise BadRequest("path query parameter is required")
    path = posixpath.join(HOME, path)
    if "\0" in path or len(path.encode()) > LONGEST_PATH:
        raise BadRequest(f"path must have at most {LONGEST_PATH} bytes and no NUL")
    return path


class Files:
    def __init__(self, links: Links) -> None:
        self._links = links

    async def _link(self, request: Request) -> Link:
        return await self._links.link(request.path_params["id"])

    async def read(self, request: Request) -> Download:
        """`GET files?path=`."""
        path = path_of(request)
        return Download(await self._link(request), path)

    async def write(self, request: Request) -> Response:
        """`PUT files?path=`; the body is taken as fast as the sandbox takes it."""
        path = path_of(request)
        if int(request.headers.get("content-length", "0")) > LARGEST:
            raise _too_large()
        link = await self._link(request)
        with refusals(FILES):
            await link.write(path, MODE, "", _limited(request.stream()))
        return Response(status_code=204)

    async def list(self, request: Request) -> Response:
        """`GET files/list?path=`, by name."""
        path = path_of(request, "/")
        link = await self._link(request)
        with refusals(FILES):
            entries = await link.entries(path)
        return json_body.answer([_listed(entry, path) for entry in sorted(entries, key=lambda entry: entry.name)])

    async def make_directory(self, request: Request) -> Response:
        """`POST files/mkdir?path=`."""
        path = path_of(request)
        link = await self._link(request)
        with refusals(FILES):
            await link.make_directory(path)
        return Response(status_code=204)

    async def remove(self, request: Request) -> Response:
        """`DELETE files?path=`, recursive."""
        path = path_of(request)
        if not posixpath.normpath(path).strip("/"):
            raise BadRequest("the root directory cannot be removed", hint="delete the sandbox instead")
        link = await self._link(request)
        with refusals(FILES):
            await link.remove(path)
        return Response(status_code=204)


def _listed(entry: Entry, directory: str) -> dict[str, Any]:
    name = entry.name.decode(errors="replace")
    listed: dict[str, Any] = {"name": name, "isDir": bool(entry.directory), "path": posixpath.join(directory, name)}
    if entry.size and not entry.directory:
        listed["size"] = entry.size
    return listed


def _too_large() -> TooLarge:
    return TooLarge(f"a file of more than {LARGEST} bytes cannot be uploaded at once", hint="upload it in parts")


async def _limited(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    left = LARGEST
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise _too_large()
        yield chunk


class Download:
    """ASGI answer with the bytes of a file. Its size is told when it is known: files in /proc say 0 and have more."""

    def __init__(self, link: Link, path: str) -> None:
        self._link = link
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with refusals(READING):
            async with self._link.read(self._path) as file:
                headers = [(b"content-type", b"application/octet-stream")]
                if file.size:
                    headers.append((b"content-length", b"%d" % file.size))
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                if scope["method"] == "HEAD":
                    await send({"type": "http.response.body"})
                    return
                async with side_by_side(_stream(file, send), until_gone(receive)) as tasks:
                    await first_of(*tasks)


async def _stream(file: Pipe, send: Send) -> None:
    """A file that shrinks or cannot be read to its end leaves the answer short, which the client sees."""
    left = file.size or None
    async for chunk in file:
        piece = chunk if left is None else chunk[:left]
        left = None if left is None else left - len(piece)
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        if left == 0:
            break
    await send({"type": "http.response.body"})
