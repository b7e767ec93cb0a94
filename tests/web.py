"""The dashboard as a browser's HTTP sees it: cookies, forms and where they lead."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx

EMAIL, PASSWORD = "admin@example.com", "correct horse battery"
PATIENCE_S = 120
TOKEN = re.compile(r'<meta name="csrf" content="([^"]+)">')


def signed_in(url: str) -> httpx.Client:
    """A client with the session of the server's first user, who signs up if there is nobody yet.

    It sends the Origin that a browser would; `post` sends a form with the session's token.
    """
    client = httpx.Client(base_url=url, headers={"Origin": origin(url)}, timeout=PATIENCE_S, trust_env=False)
    form = {"name": "Ada Admin", "email": EMAIL, "password": PASSWORD}
    answer = client.post("/sign-up", data=form)
    if answer.status_code != 303:
        answer = client.post("/sign-in", data=form)
    assert answer.status_code == 303, answer.text
    return client


def post(client: httpx.Client, path: str, **fields: Any) -> httpx.Response:
    """Sends a form as a page of the session would."""
    return client.post(path, data={"csrf": token(client), **fields})


def token(client: httpx.Client) -> str:
    page = client.get("/settings/account")
    assert page.status_code == 200, page.text
    return token_in(page.text)


def token_in(page: str) -> str:
    """The session's token, as scripts of a page read it."""
    found = TOKEN.search(page)
    assert found, page
    return html.unescape(found[1])


def origin(url: str) -> str:
    """Without a path or a slash at the end."""
    parts = httpx.URL(url)
    return f"{parts.scheme}://{parts.netloc.decode()}"
