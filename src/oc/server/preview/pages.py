"""Our own answers on preview hosts: a page for people, JSON for programs. Nothing of a request is shown in them."""

from __future__ import annotations

import base64
import hashlib
import html
from typing import NamedTuple

import msgspec

from oc.model.errors import OpenComputerError
from oc.server.preview.fields import Fields

REFRESH_S = 3  # contract 2.9.2
STYLE = (
    ":root{color-scheme:light dark}"
    "body{margin:0;min-height:100vh;display:grid;place-content:center;gap:.5rem;padding:2rem;box-sizing:border-box;"
    "font:1rem/1.5 system-ui,sans-serif;background:#fafaf9;color:#1c1917}"
    "h1{margin:0;font-size:1.25rem;font-weight:600}p{margin:0;max-width:34rem;color:#57534e}"
    "code{font:.875em ui-monospace,monospace}"
    "@media(prefers-color-scheme:dark){body{background:#171614;color:#f5f5f4}p{color:#a8a29e}}"
)
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
COMMON: Fields = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
CHALLENGE = (b"www-authenticate", b'Bearer realm="preview"')
RETRY = (b"retry-after", b"2")
CLOSE = (b"connection", b"close")  # where the next request begins is not sure after one that makes no sense
OF_STATUS: dict[int, Fields] = {400: [CLOSE], 401: [CHALLENGE], 503: [RETRY]}
TITLES = {
    400: "Bad request",
    401: "This preview needs a token",
    404: "No such sandbox",
    410: "This sandbox has ended",
    502: "The server inside gave no valid answer",
    503: "Not ready yet",
    504: "No answer in time",
}
ADVICE = {
    401: "Send it in the header X-OC-Preview-Token, or as a bearer token.",
    404: "It may have been deleted, or the address may be mistyped.",
    410: "It was stopped, and its previews with it.",
    503: "This page looks again every few seconds.",
}


class Page(NamedTuple):
    status: int
    fields: Fields
    body: bytes


def of_error(error: OpenComputerError, fields: Fields) -> Page:
    """`fields` are the request's."""
    if wants_html(fields):
        return _html(error.status, error.text, refresh=error.status == 503)
    return _answer(error.status, b"application/json", msgspec.json.encode(error.body()))


def unreachable(sandbox: str, port: int, fields: Fields) -> Page:
    """Nothing listens there, or not yet."""
    if wants_html(fields):
        return _html(503, f"Nothing answers on port {port} of {sandbox}.", refresh=True)
    body = {"error": f"sandbox {sandbox}: upstream unavailable", "code": "upstream_unavailable"}
    return _answer(502, b"application/json", msgspec.json.encode(body))


def wants_html(fields: Fields) -> bool:
    return any(name == b"accept" and b"text/html" in value.lower() for name, value in fields)


def _html(status: int, text: str, refresh: bool) -> Page:
    title = TITLES.get(status, "This preview is not available")
    again = f'<meta http-equiv="refresh" content="{REFRESH_S}">' if refresh else ""
    advice = f"<p>{html.escape(ADVICE[status])}</p>" if status in ADVICE else ""
    body = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width">{again}<title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1>"
        f"<p><code>{html.escape(text)}</code></p>{advice}</body></html>"
    )
    return _answer(status, b"text/html; charset=utf-8", body.encode())


def _answer(status: int, kind: bytes, body: bytes) -> Page:
    length = str(len(body)).encode()
    return Page(
        status, [(b"content-type", kind), (b"content-length", length), *COMMON, *OF_STATUS.get(status, ())], body
    )
