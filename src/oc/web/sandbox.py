"""The page of one sandbox: what all its tabs share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from oc.server import answers
from oc.server.api import Api
from oc.store.sandboxes import Sandbox
from oc.store.web_sessions import Visitor
from oc.web.live import Part
from oc.web.pages import Pages


async def sandbox_page(
    api: Api,
    pages: Pages,
    request: Request,
    visitor: Visitor,
    tab: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **context: Any,
) -> HTMLResponse:
    """Shows `sandbox/{tab}.html` of the sandbox that the path names. Raises NotFound, also for what belongs to others.

    Looking neither wakes it nor counts as its use.
    """
    row = await api.gate.any(request, visitor.caller)
    template = f"sandbox/{tab}.html"
    return pages.show(
        request, template, visitor, status=status, headers=headers, tab=tab, **of_sandbox(pages, row), **context
    )


def of_sandbox(pages: Pages, row: Sandbox) -> dict[str, Any]:
    """What the templates of its pages take."""
    return {"row": row, "sandbox": answers.sandbox(row, pages.settings), "here": f"/sandboxes/{row.id}"}


def head(pages: Pages, row: Sandbox, visitor: Visitor) -> Sequence[Part]:
    """What changes at the head of each of its pages."""
    context = {"visitor": visitor, **of_sandbox(pages, row)}
    state = (row.status, row.waking, row.restoring)
    return [
        Part("sandbox-status", state, partial(pages.html, "sandbox/status.html", **context)),
        Part("sandbox-actions", state, partial(pages.html, "sandbox/actions.html", **context)),
    ]
