"""Exec sessions in the dashboard, over HTTP."""

from __future__ import annotations

import pytest

from tests.integration.web_tools.dashboard import Dashboard, wait


def start(dashboard: Dashboard, id: str, command: str) -> str:
    return str(dashboard.call("POST", f"/sandboxes/{id}/exec", 201, json={"cmd": command})["sessionID"])


def test_commands_are_listed_as_text_with_what_became_of_them(dashboard: Dashboard, sandbox: str) -> None:
    start(dashboard, sandbox, "sleep 600 # <script>alert(1)</script>\x1b[2J")
    start(dashboard, sandbox, "true; exit 5")
    page = ""

    def ended() -> bool:
        nonlocal page
        page = dashboard.page(f"/sandboxes/{sandbox}/sessions")
        return "exit 5</span>" in page

    wait(ended)
    assert "sleep 600 # &lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J" in page
    assert "<script>alert" not in page
    assert page.index(">true; exit 5</a>") < page.index(">sleep 600")  # the newest first


def test_a_session_has_a_page_and_others_do_not(dashboard: Dashboard, sandbox: str) -> None:
    session = start(dashboard, sandbox, "sleep 600")
    assert "sleep 600" in dashboard.page(f"/sandboxes/{sandbox}/sessions/{session}")
    dashboard.page(f"/sandboxes/{sandbox}/sessions/00000000", 404)
    dashboard.page(f"/sandboxes/{sandbox}/sessions/%3Cb%3E", 404)


@pytest.mark.parametrize("page", ["sessions", "sessions/0123abcd"])
def test_looking_at_sessions_does_not_wake(dashboard: Dashboard, sandbox: str, page: str) -> None:
    dashboard.sleep(sandbox)
    assert "The sandbox is asleep" in dashboard.page(f"/sandboxes/{sandbox}/{page}")
    assert dashboard.status(sandbox) == "hibernated"


@pytest.mark.parametrize("headers", [{"X-CSRF-Token": "guess"}, {"Origin": "http://evil.example"}])
def test_nothing_is_run_or_killed_for_a_page_of_another(
    dashboard: Dashboard, sandbox: str, headers: dict[str, str]
) -> None:
    session = start(dashboard, sandbox, "sleep 600")
    for path in ("exec", f"exec/{session}/kill", "pty", f"pty/{session}/resize"):
        dashboard.call("POST", f"/sandboxes/{sandbox}/{path}", 403, json={}, headers=headers)
    sessions = dashboard.call("GET", f"/sandboxes/{sandbox}/exec", 200)
    assert [(one["sessionID"], one["running"]) for one in sessions] == [(session, True)]
