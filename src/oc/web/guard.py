"""Who may see a page, and whose requests are believed to be their own.

Preview pages of sandboxes may be on the same *site* as the dashboard (`sb-1-p80.localhost` and `localhost`), so that
SameSite cookies alone stop nothing: what changes anything must come from the very same origin and bring the session's
token, which no other origin can read.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, quote

from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response

from oc.model.errors import BadRequest, Forbidden, OpenComputerError, TooLarge, Unauthorized
from oc.server.audit import Trail, status_of
from oc.settings import Settings
from oc.store.accounts import Caller
from oc.store.web_sessions import Visitor, WebSessions
from oc.web.pages import Pages

LARGEST_FORM = 256 << 10
MOST_FIELDS = 200
SAFE = frozenset(("GET", "HEAD"))

Form = dict[str, str]
Show = Callable[[Request, Visitor], Awaitable[Response]]
Act = Callable[[Request, Visitor, Form], Awaitable[Response]]
OpenShow = Callable[[Request, Visitor | None], Awaitable[Response]]
OpenAct = Callable[[Request, Visitor | None, Form], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


class Guard:
    def __init__(self, settings: Settings, sessions: WebSessions, pages: Pages, trail: Trail) -> None:
        self._secure = settings.public_url.startswith("https:")
        self._sessions = sessions
        self._pages = pages
        self._trail = trail

    @property
    def cookie(self) -> str:
        """Browsers take a `__Host-` cookie from this host only, never from a page on a sibling (RFC 6265bis, 4.1.3)."""
        return "__Host-oc_session" if self._secure else "oc_session"

    async def visitor(self, connection: HTTPConnection) -> Visitor | None:
        value = the_only(connection, self.cookie)
        return await self._sessions.visitor(value) if value else None

    def remember(self, response: Response, cookie: str, lasts_s: int) -> None:
        response.set_cookie(
            self.cookie, cookie, max_age=lasts_s, path="/", secure=self._secure, httponly=True, samesite="lax"
        )

    def forget(self, response: Response) -> None:
        response.delete_cookie(self.cookie, path="/", secure=self._secure, httponly=True, samesite="lax")

    # --- pages and forms ---

    def page(self, show: Show) -> Endpoint:
        """For those who are signed in; others are sent to sign in first, and come back."""

        async def endpoint(request: Request) -> Response:
            visitor = await self.visitor(request)
            if visitor is None:
                return to_sign_in(request)
            return await self._answer(request, visitor, show(request, visitor))

        return endpoint

    def action(self, act: Act, call: str) -> Endpoint:
        """What a form of ours asks for. `call`: what the audit log calls it; as the API does, where that has it."""

        async def endpoint(request: Request) -> Response:
            visitor = await self.visitor(request)
            if visitor is None:
                return to_sign_in(request)
            try:
                answer = await self._answer(request, visitor, self._act(request, visitor, act))
            except BaseException as error:
                await self._trail.note(request, visitor.caller, call, status_of(error))
                raise
            await self._trail.note(request, visitor.caller, call, answer.status_code)
            return answer

        return endpoint

    # --- pages and forms for those who are not signed in as well ---

    def open_page(self, show: OpenShow) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            visitor = await self.visitor(request)
            return await self._answer(request, visitor, show(request, visitor))

        return endpoint

    def open_action(self, act: OpenAct) -> Endpoint:
        """There may be no session whose token could be asked for: the origin alone tells whose form it is."""

        async def endpoint(request: Request) -> Response:
            visitor = await self.visitor(request)
            return await self._answer(request, visitor, self._open_act(request, visitor, act))

        return endpoint

    async def _open_act(self, request: Request, visitor: Visitor | None, act: OpenAct) -> Response:
        check_origin(request)
        return await act(request, visitor, await read_form(request))

    async def _act(self, request: Request, visitor: Visitor, act: Act) -> Response:
        check_origin(request)
        form = await read_form(request)
        check_token(visitor, form.pop("csrf", ""))
        return await act(request, visitor, form)

    async def _answer(self, request: Request, visitor: Visitor | None, answer: Awaitable[Response]) -> Response:
        """An error is a page; for htmx, a fragment that goes where messages are shown."""
        try:
            return await answer
        except OpenComputerError as error:
            template = "fragments/error.html" if "hx-request" in request.headers else "error.html"
            headers = {"HX-Retarget": "#messages", "HX-Reswap": "innerHTML", "HX-Reselect": "unset"}
            if "retry_after" in error.details:
                headers["Retry-After"] = str(error.details["retry_after"])
            return self._pages.show(request, template, visitor, status=error.status, headers=headers, error=error)

    # --- the API for scripts of our pages ---

    async def admit(self, connection: HTTPConnection) -> Caller:
        """A cookie instead of a key. Raises Unauthorized, and Forbidden for what another origin has sent."""
        visitor = await self.visitor(connection)
        if visitor is None:
            raise Unauthorized("you are signed out", hint="sign in again")
        if connection.scope["type"] == "websocket":
            check_origin(connection)
        elif connection.scope["method"] not in SAFE:
            check_origin(connection)
            check_token(visitor, connection.headers.get("x-csrf-token", ""))
        return visitor.caller


def the_only(connection: HTTPConnection, cookie: str) -> str | None:
    """Its value. None where there are several: which of them a page on a sibling has planted, nobody can tell.

    RFC 6265, 8.6.
    """
    pairs = [pair.partition("=") for header in connection.headers.getlist("cookie") for pair in header.split(";")]
    values = {value.strip() for name, _, value in pairs if name.strip() == cookie}
    return values.pop() if len(values) == 1 else None


def to_sign_in(request: Request) -> Response:
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = f"/sign-in?next={quote(here if request.method in SAFE else '/')}"
    if "hx-request" in request.headers:
        return Response(status_code=204, headers={"HX-Redirect": target})
    return RedirectResponse(target, 303)


def own_path(text: str) -> str:
    """Where to go after signing in: a path of ours, whatever was asked for."""
    bare = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable() and "\\" not in text
    return text if bare else "/"


def check_origin(connection: HTTPConnection) -> None:
    """Raises Forbidden unless the page that sends this is of this very origin (Fetch standard: Origin, Sec-Fetch-Site).

    Browsers send `Origin` with every POST and every WebSocket.
    """
    scheme = "https" if connection.url.scheme in {"https", "wss"} else "http"
    own = {f"{scheme}://{connection.headers.get('host', '')}", f"https://{connection.headers.get('host', '')}"}
    if connection.headers.get("origin") not in own:
        raise Forbidden("this request did not come from a page of this server", hint="reload the page and try again")


def check_token(visitor: Visitor, token: str) -> None:
    """Raises Forbidden."""
    if not secrets.compare_digest(visitor.csrf.encode(), token.encode()):
        raise Forbidden("this form is out of date", hint="reload the page and try again")


async def read_form(request: Request) -> Form:
    """Fields of an urlencoded form. Raises BadRequest and TooLarge."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise TooLarge(f"the form is larger than {LARGEST_FORM} bytes")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError as error:  # UnicodeDecodeError too
        raise BadRequest("the form cannot be read") from error
