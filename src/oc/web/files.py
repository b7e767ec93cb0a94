"""The files of a sandbox, in a browser: directories, the beginning of a file, downloads. Changes are calls of scripts.

Nothing here wakes a sandbox: whoever only looks, or follows a link that somebody made, changes nothing.
"""

from __future__ import annotations

import codecs
import posixpath
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from oc.api.bodies import FileEntry
from oc.model.errors import BadRequest, TooLarge
from oc.model.sandbox import Status
from oc.server.activity import Activity
from oc.server.api import Api
from oc.server.hosts import unavailable
from oc.server.plane import Plane
from oc.store.sandboxes import Sandbox
from oc.store.web_sessions import Visitor
from oc.web import visible
from oc.web.guard import Guard
from oc.web.pages import Pages
from oc.web.sandbox import sandbox_page

HOME = "/root"
MOST_LISTED = 2000
VIEWED = 256 << 10  # bytes of a file that are shown
DOWNLOAD_HEADERS = {  # whatever is in the file, no browser takes it for a page of ours
    "Cache-Control": "no-store",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class Listing(msgspec.Struct, frozen=True):
    """The first `entries` of `total`, directories before files; `hidden`: how many were left out for their dot."""

    entries: Sequence[FileEntry] = ()
    total: int | None = None  # more than the worker lists
    hidden: int = 0


class View(msgspec.Struct, frozen=True):
    """`text` is None for what is not text; `size` in bytes, None where only its end would tell."""

    text: str | None
    size: int | None
    cut: bool


class Files:
    def __init__(self, plane: Plane, api: Api, guard: Guard, pages: Pages) -> None:
        self._worker = plane.worker
        self._activity = plane.activity
        self._api = api
        self._guard = guard
        self._pages = pages
        pages.filters["visible"] = visible.of_name

    def routes(self) -> list[BaseRoute]:
        here = "/sandboxes/{id}/files"
        return [
            Route(here, self._guard.page(self.browse)),
            Route(f"{here}/view", self._guard.page(self.view)),
            Route(f"{here}/download", self._guard.page(self.download)),
        ]

    async def browse(self, request: Request, visitor: Visitor) -> Response:
        path, hidden = path_of(request, HOME), request.query_params.get("hidden") == "1"
        listing = None
        row = await self._looked_into(request, visitor)
        if row is not None:
            try:
                listing = listed(await self._worker.list_files(row.id, path), hidden)
            except TooLarge:  # the page says so
                listing = Listing()
        return await self._show(request, visitor, "files", path, listing=listing, hidden=hidden, most=MOST_LISTED)

    async def view(self, request: Request, visitor: Visitor) -> Response:
        path = path_of(request)
        if (row := await self._looked_into(request, visitor)) is None:
            return to_directory(request, path)
        async with aclosing(await self._worker.open_file(row.id, path)) as content:
            view = viewed(await beginning(content, VIEWED + 1), size_of(content))
        return await self._show(request, visitor, "file", path, view=view, viewed=VIEWED)

    async def download(self, request: Request, visitor: Visitor) -> Response:
        path = path_of(request)
        if (row := await self._looked_into(request, visitor)) is None:
            return to_directory(request, path)
        return Download(await self._worker.open_file(row.id, path), path, self._activity, row.id)

    async def _looked_into(self, request: Request, visitor: Visitor) -> Sandbox | None:
        """None when it does not run. To look at its files is to use it."""
        row = await self._api.gate.any(request, visitor.caller)
        if row.status is not Status.RUNNING:
            return None
        self._activity.touch(row.id)
        return row

    async def _show(self, request: Request, visitor: Visitor, tab: str, path: str, **context: Any) -> Response:
        return await sandbox_page(
            self._api, self._pages, request, visitor, tab, directory=path, crumbs=crumbs(path), **context
        )


class Download(StreamingResponse):
    """A file on its way to the browser's disk."""

    def __init__(self, content: httpx.Response, path: str, activity: Activity, id: str) -> None:
        headers = DOWNLOAD_HEADERS | {"Content-Disposition": attachment(posixpath.basename(path))}
        if (size := size_of(content)) is not None:
            headers["Content-Length"] = str(size)
        super().__init__(content.aiter_raw(), headers=headers, media_type="application/octet-stream")
        self._content = content
        self._activity = activity
        self._id = id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What fails after the head leaves the answer short, which the browser sees."""
        with self._activity.busy(self._id):
            try:
                await super().__call__(scope, receive, send)
            except httpx.TransportError as error:
                raise unavailable(error) from error
            finally:
                await self._content.aclose()


def path_of(request: Request, default: str = "") -> str:
    """Absolute and in its shortest form. Raises BadRequest."""
    path = request.query_params.get("path") or default
    if not path.startswith("/") or "\0" in path:
        raise BadRequest("the path of a file must begin with /")
    return "/" + posixpath.normpath(path).lstrip("/")


def to_directory(request: Request, path: str) -> Response:
    """Where it is said that the sandbox does not run."""
    return RedirectResponse(f"/sandboxes/{request.path_params['id']}/files?path={quote(posixpath.dirname(path))}", 303)


def crumbs(path: str) -> list[tuple[str, str]]:
    """Name and path of each directory on the way from the root, and of the last part."""
    names = path.strip("/").split("/") if path != "/" else []
    return [("/", "/"), *((name, "/" + "/".join(names[: depth + 1])) for depth, name in enumerate(names))]


def listed(entries: Sequence[FileEntry], hidden: bool) -> Listing:
    wanted = [entry for entry in entries if hidden or not entry.name.startswith(".")]
    ordered = sorted(wanted, key=lambda entry: (not entry.is_dir, entry.name.casefold(), entry.name))
    return Listing(ordered[:MOST_LISTED], len(wanted), len(entries) - len(wanted))


async def beginning(content: httpx.Response, most: int) -> bytes:
    got = bytearray()
    async for chunk in content.aiter_raw():
        got += chunk
        if len(got) >= most:
            break
    return bytes(got[:most])


def viewed(begins: bytes, size: int | None) -> View:
    cut = len(begins) > VIEWED
    return View(text_of(begins[:VIEWED], final=not cut), size, cut)


def text_of(content: bytes, *, final: bool) -> str | None:
    """None for what is not UTF-8 or has a NUL. Unless it is `final`, a character at its end may be incomplete."""
    if b"\0" in content:
        return None
    try:
        return visible.of_text(codecs.getincrementaldecoder("utf-8")().decode(content, final))
    except UnicodeDecodeError:
        return None


def size_of(content: httpx.Response) -> int | None:
    length = content.headers.get("content-length")
    return None if length is None else int(length)


def attachment(name: str) -> str:
    """RFC 6266, with the name for old browsers beside the right one."""
    plain = "".join(mark if mark.isascii() and mark.isprintable() and mark not in '"\\%' else "_" for mark in name)
    return f"attachment; filename=\"{plain or 'file'}\"; filename*=UTF-8''{quote(name, safe='')}"
