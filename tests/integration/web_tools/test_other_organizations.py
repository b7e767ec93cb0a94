"""What belongs to another organization is not there, on every route of the tabs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from oc.store.store import Store
from tests.integration.web_tools.dashboard import Dashboard

PAGES = (
    "terminal", "sessions", "sessions/0123abcd", "files", "files/view?path=/etc/passwd",
    "files/download?path=/etc/passwd",
)  # fmt: skip
CALLS = (
    ("GET", "/state"), ("POST", "/pty"), ("GET", "/pty"), ("GET", "/exec"), ("POST", "/exec"),
    ("PUT", "/files?path=/root/a"), ("DELETE", "/files?path=/root"), ("POST", "/files/mkdir?path=/root/a"),
)  # fmt: skip


@pytest.fixture(scope="module")
def others(dashboard: Dashboard) -> Iterator[str]:
    """A sandbox of an organization that the user is not in."""
    headers = {"X-API-Key": asyncio.run(_key(dashboard))}
    with httpx.Client(base_url=f"{dashboard.url}/api", headers=headers, timeout=60, trust_env=False) as api:
        id = str(api.post("/sandboxes", json={}).json()["sandboxID"])
        yield id
        assert api.delete(f"/sandboxes/{id}").status_code == 204


async def _key(dashboard: Dashboard) -> str:
    store = await Store.open(dashboard.house.data / "server" / "opencomputer.db")
    try:
        organization = await store.accounts.ensure_organization("others")
        return (await store.accounts.create_key(organization.id, "tests"))[1]
    finally:
        await store.close()


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_not_there(dashboard: Dashboard, others: str, page: str) -> None:
    dashboard.page(f"/sandboxes/{others}/{page}", 404)


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_calls_are_not_there(dashboard: Dashboard, others: str, method: str, path: str) -> None:
    dashboard.call(method, f"/sandboxes/{others}{path}", 404, json={} if method == "POST" else None)


@pytest.mark.parametrize("kind", ["pty", "exec"])
def test_a_session_of_others_cannot_be_attached_to(dashboard: Dashboard, others: str, kind: str) -> None:
    assert _refused(dashboard, f"/sandboxes/{others}/{kind}/0123abcd", dashboard.url) == 404


@pytest.mark.parametrize("kind", ["pty", "exec"])
@pytest.mark.parametrize("origin", ["http://evil.example", "http://sb-0123abcd-p3000.localhost:1", None])
def test_a_page_of_another_origin_cannot_attach(
    dashboard: Dashboard, sandbox: str, kind: str, origin: str | None
) -> None:
    session = dashboard.call("POST", f"/sandboxes/{sandbox}/{kind}", 201, json={"cmd": "cat"})["sessionID"]
    path = f"/sandboxes/{sandbox}/{kind}/{session}"
    assert _refused(dashboard, path, origin) == 403
    with dashboard.attach(path, dashboard.url):
        pass  # the same is fine from ours


def _refused(dashboard: Dashboard, path: str, origin: str | None) -> int:
    with pytest.raises(InvalidStatus) as refused:
        dashboard.attach(path, origin)
    return int(refused.value.response.status_code)
