"""The API as one HTML page, rendered here: it asks no other host for anything."""

from __future__ import annotations

from html import escape
from http import HTTPStatus

from oc.api.calls import CALLS, Call

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
code { font-size: 0.95em; } table { border-collapse: collapse; width: 100%; }
td, th { border-bottom: 1px solid #8884; padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }
:root { color-scheme: light dark; }
"""
HEAD = ("Call", "What it does", "Answers")


def render() -> str:
    rows = "\n".join(_row(call) for call in CALLS)
    head = "".join(f"<th>{name}</th>" for name in HEAD)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>OpenComputer API</title><style>{STYLE}</style></head>
<body><h1>OpenComputer API</h1>
<p>Send your key as <code>X-API-Key</code>. Errors are
<code>{{"error": "...", "code": "...", "hint": "..."}}</code>.
The machine-readable description is <a href="/openapi.json">/openapi.json</a>.</p>
<table><thead><tr>{head}</tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""


def _row(call: Call) -> str:
    answers = ", ".join(f"{status} {HTTPStatus(status).phrase}" for status in call.answers)
    fields = ", ".join(f"<code>{escape(query.name)}</code>: {escape(query.summary)}" for query in call.query)
    return (
        f"<tr id={escape(call.name)}><td><code>{call.method} {escape(call.route)}</code></td>"
        f"<td>{escape(call.summary)}{'<br>' if fields else ''}{fields}</td><td>{answers}</td></tr>"
    )
