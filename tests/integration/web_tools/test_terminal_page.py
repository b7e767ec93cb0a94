"""The terminal's page and what its script asks, over HTTP."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
from websockets.sync.client import ClientConnection

from tests.integration.web_tools.dashboard import Dashboard, wait

PLACE, REPLAYED, EXITED = 5, 4, 3


def read_until(connection: ClientConnection, end: bytes) -> bytes:
    got = b""
    while end not in got:
        got += received(connection)
    return got


def received(connection: ClientConnection) -> bytes:
    message = connection.recv(timeout=60)
    assert isinstance(message, bytes)
    return message


def test_only_pages_with_a_screen_may_be_styled_from_within(dashboard: Dashboard, sandbox: str) -> None:
    for page, styled in (("terminal", True), ("sessions", False), ("files", False)):
        policy = dashboard.browser.get(f"/sandboxes/{sandbox}/{page}").headers["content-security-policy"]
        assert ("style-src 'self' 'unsafe-inline'" in policy) is styled
        assert "script-src 'self';" in policy


def test_neither_the_page_nor_its_first_question_wakes(dashboard: Dashboard, sandbox: str) -> None:
    dashboard.sleep(sandbox)
    dashboard.page(f"/sandboxes/{sandbox}/terminal")
    state = dashboard.call("GET", f"/sandboxes/{sandbox}/state", 200)
    assert state == {"status": "hibernated", "settled": True, "reason": None}
    assert dashboard.status(sandbox) == "hibernated"


def test_a_sandbox_that_falls_asleep_is_not_settled(dashboard: Dashboard, sandbox: str, tmp_path: Path) -> None:
    """To attach then would wait for its sleep, and wake it."""

    def settled() -> bool:
        return bool(dashboard.call("GET", f"/sandboxes/{sandbox}/state", 200)["settled"])

    dashboard.house.script({"call": "pause", "id": sandbox, "until": str(tmp_path / "go")})
    sleeping = threading.Thread(target=dashboard.sleep, args=(sandbox,))
    sleeping.start()
    try:
        wait(lambda: not settled())
    finally:
        (tmp_path / "go").touch()
        sleeping.join()
        dashboard.house.script()
    assert settled()


def test_who_is_signed_out_is_told_so(dashboard: Dashboard, sandbox: str) -> None:
    answer = httpx.get(f"{dashboard.url}/app/api/sandboxes/{sandbox}/state", trust_env=False)
    assert answer.status_code == 401


def test_a_page_goes_on_where_its_connection_was_lost(dashboard: Dashboard, sandbox: str) -> None:
    shell = dashboard.call("POST", f"/sandboxes/{sandbox}/pty", 201, json={"cols": 80, "rows": 24})["sessionID"]
    path, page = f"/sandboxes/{sandbox}/pty/{shell}", {"attach": "1", "acks": "1", "reader": "0123abcd"}
    with dashboard.attach(path, dashboard.url, offset="0", **page) as first:
        assert received(first) == bytes([PLACE]) + bytes(16)
        first.send(b"\x00echo $((40+2))\n")
        read_until(first, b"42\r\n")
    with dashboard.attach(path, dashboard.url, offset="3", **page) as again:
        assert received(again)[:9] == bytes([PLACE]) + (3).to_bytes(8, "big")
        assert b"42\r\n" in read_until(again, bytes([REPLAYED]))
        again.send(b"\x00exit 7\n")
        assert read_until(again, bytes([EXITED, 0, 0, 0, 7]))


def test_without_asking_for_more_a_terminal_is_only_bytes(dashboard: Dashboard, sandbox: str) -> None:
    shell = dashboard.call("POST", f"/sandboxes/{sandbox}/pty", 201, json={})["sessionID"]
    with dashboard.attach(f"/sandboxes/{sandbox}/pty/{shell}", dashboard.url) as raw:
        raw.send(b"echo $((40+2))\n")
        assert read_until(raw, b"42\r\n")[:1] not in {bytes([PLACE]), b"\x01"}
