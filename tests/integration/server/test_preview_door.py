"""Who a preview request is for, who may come in, and what wakes (contract 2.9.2); and who may get certificates."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from oc.model.errors import Failed, Gone, NotFound, OpenComputerError, Unauthorized, Unavailable
from oc.server.gate import Gate
from oc.server.preview_door import Destination, PreviewDoor
from oc.server.sleep import WakeFailed
from oc.store.database import Database
from tests.integration.server.control import Control, run

TOKEN = "correct-horse-battery"
GIVEN = [(b"x-oc-preview-token", TOKEN.encode())]


def door_of(made: Control) -> PreviewDoor:
    plane = made.plane
    gate = Gate(plane.store.sandboxes, plane.changes, plane.sleep, plane.restores)
    return PreviewDoor(plane.settings, plane.store, gate)


def to(id: str) -> Destination:
    return Destination(id, 80, f"{id}-p80.localhost")


@contextmanager
def reads(monkeypatch: pytest.MonkeyPatch, *queries: str) -> Iterator[list[str]]:
    """Which of these queries go to the database's thread: fewer than are asked, though a loop may write meanwhile."""
    seen: list[str] = []
    read = Database.read

    async def noted(self: Database, query: str, **parameters: object) -> list[dict[str, object]]:
        if query in queries:
            seen.append(query)
        return await read(self, query, **parameters)

    with monkeypatch.context() as patch:
        patch.setattr(Database, "read", noted)
        yield seen


def test_host_leads_to_a_port_and_our_own_names_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: Control) -> None:
        door, id = door_of(made), await made.create()
        await made.call("POST", f"/{id}/preview", 201, port=80, domain="app.example.org")
        with reads(monkeypatch, "sandbox", "preview_named") as seen:
            assert await door.destination(f"{id}-p81.anywhere.example:8080") == (id, 81, f"{id}-p81.anywhere.example")
            for own in ("oc.example.com", "oc.example.com:443", "localhost:8080", "127.0.0.1", "[::1]:80", "", "é"):
                assert await door.destination(own) is None
            assert seen == []
            for _ in range(3):
                assert await door.destination("App.Example.org:8443") == (id, 80, "app.example.org")
                assert await door.destination("other.example.org") is None
            assert 2 <= len(seen) < 6
        await made.call("DELETE", f"/{id}/preview/80", 204)
        assert await door.destination("app.example.org") is None

    run(test, public_url="https://oc.example.com")


def test_running_sandbox_is_admitted_without_a_read_until_something_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: Control) -> None:
        door, id = door_of(made), await made.create(previewAuth={"token": TOKEN})
        assert await door.admit(to(id), GIVEN) == {b"x-oc-preview-token"}
        with reads(monkeypatch, "sandbox") as seen:
            for _ in range(5):
                await door.admit(to(id), GIVEN)
            assert len(seen) < 5
        rotated = (await made.call("POST", f"/{id}/preview/rotate"))["previewAuthToken"]
        with pytest.raises(Unauthorized):
            await door.admit(to(id), GIVEN)
        fresh = [(b"authorization", f"Bearer {rotated}".encode())]
        assert await door.admit(to(id), fresh) == {b"authorization"}
        await made.call("DELETE", f"/{id}", 204)
        with pytest.raises(Gone, match=f"sandbox {id} has been stopped"):
            await door.admit(to(id), fresh)

    run(test)


def test_order_of_refusals_and_nothing_wakes_without_the_token() -> None:
    async def test(made: Control) -> None:
        door, id = door_of(made), await made.create(previewAuth={"token": TOKEN})
        with pytest.raises(NotFound, match=r"^sandbox not found$"):
            await door.admit(to("sb-00000000"), [])
        await made.call("POST", f"/{id}/hibernate")
        for headers in ([], [(b"authorization", b"Bearer wrong")]):
            with pytest.raises(Unauthorized):
                await door.admit(to(id), headers)
        assert await made.status(id) == "hibernated"
        await door.admit(to(id), GIVEN)
        assert await made.status(id) == "running"
        await made.call("DELETE", f"/{id}", 204)
        with pytest.raises(Gone):
            await door.admit(to(id), [])

    run(test)


def test_visitors_at_once_share_one_wake() -> None:
    async def test(made: Control) -> None:
        door, id = door_of(made), await made.create()
        await made.call("POST", f"/{id}/hibernate")
        specs = len(made.worker.specs)
        await asyncio.gather(*(door.admit(to(id), []) for _ in range(10)))
        assert len(made.worker.specs) == specs + 1

    run(test)


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (Failed("secret: /var/lib/pool is gone"), WakeFailed),
        (Unavailable("secret: the pool is full"), Unavailable),
        (Gone("secret: lost"), Gone),
    ],
)
def test_visitor_is_not_told_why_it_cannot_wake(refusal: OpenComputerError, kind: type[OpenComputerError]) -> None:
    async def test(made: Control) -> None:
        door, id = door_of(made), await made.create()
        await made.call("POST", f"/{id}/hibernate")
        made.worker.failures["ensure"] = refusal
        with pytest.raises(kind) as refused:
            await door.admit(to(id), [])
        assert id in refused.value.text
        assert "secret" not in str(refused.value.body())

    run(test)


def test_visitor_is_not_told_how_many_sandboxes_run() -> None:
    async def test(made: Control) -> None:
        door, id = door_of(made), await made.create()
        await made.call("POST", f"/{id}/hibernate")
        await made.create()
        with pytest.raises(Unavailable) as refused:
            await door.admit(to(id), [])
        assert refused.value.body().keys() == {"error", "code", "hint"}

    run(test, max_sandboxes=1)


def test_certificates_are_for_names_that_are_recorded_and_for_who_asks_on_this_host() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        await made.call("POST", f"/{id}/preview", 201, port=80, domain="app.example.org")
        listed = f"{id}-p80.preview.example.net"
        names = {
            "oc.example.com": 200,
            "app.example.org": 200,
            "APP.example.org.": 200,
            listed: 200,
            f"{id}-p81.preview.example.net": 404,
            f"{id}-p80.evil.example": 404,
            "sb-00000000-p80.preview.example.net": 404,
            "other.example.org": 404,
            "preview.example.net": 404,
            "127.0.0.1": 404,
            "": 404,
            "a" * 5000: 404,
        }
        async with httpx.AsyncClient(base_url=made.origin, trust_env=False) as caddy:
            for name, status in names.items():
                answer = await caddy.get("/tls/ask", params={"domain": name})
                assert answer.status_code == status, name
            for header in ("X-Forwarded-For", "Forwarded"):
                answer = await caddy.get("/tls/ask", params={"domain": listed}, headers={header: "for=192.0.2.1"})
                assert answer.status_code == 404
            await made.call("DELETE", f"/{id}", 204)
            for name in (listed, "app.example.org"):
                assert (await caddy.get("/tls/ask", params={"domain": name})).status_code == 404

    run(test, public_url="https://oc.example.com", domain="preview.example.net")
