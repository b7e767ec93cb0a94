"""Templates become answers here, with the headers that every page has."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from oc import __version__
from oc.settings import Settings
from oc.store.web_sessions import Visitor
from oc.web import amounts

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{style}; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",  # what a person has seen is not shown to who comes to the browser after them
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
STYLED = {"Content-Security-Policy": POLICY.format(style=" 'unsafe-inline'")}  # xterm.js writes <style> elements


class Pages:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("oc.web"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= amounts.FILTERS
        self._templates.globals |= {"asset": asset, "version": __version__, "settings": settings}

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def filters(self) -> dict[str, Any]:
        """Of templates; a module adds its own."""
        return self._templates.filters

    def html(self, template: str, **context: Any) -> str:
        """A fragment of a page."""
        return self._templates.get_template(template).render(context)

    def pieces(self, template: str) -> Any:
        """Macros of a template, to be called by their names."""
        return self._templates.get_template(template).module

    def show(
        self,
        request: Request,
        template: str,
        visitor: Visitor | None = None,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        **context: Any,
    ) -> HTMLResponse:
        """`visitor`: None on pages for those who are not signed in."""
        text = self.html(template, visitor=visitor, path=request.url.path, **context)
        policy = {"Content-Security-Policy": POLICY.format(style="")}
        return HTMLResponse(text, status, headers=HEADERS | policy | (headers or {}))


@cache
def asset(name: str) -> str:
    """The address of a file under `static`, which changes with the file, so that browsers may keep it for ever."""
    content = files("oc.web").joinpath("static", name).read_bytes()
    return f"/static/{name}?{hashlib.sha256(content).hexdigest()[:12]}"
