"""The dumb relay of HTTP calls (design 2.4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.integration.server.control import Control, run


def test_call_goes_on_as_it_was_but_for_credentials() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        body = b'{"cmd": "true",  "unknown": [1]}'
        headers = {"Authorization": "Bearer secret", "Cookie": "a=b", "X-Request-Id": "trace-1", "X-Other": "kept"}
        answer = await made.api.post(f"/sandboxes/{id}/exec/run?x=%2F&api_key=k", content=body, headers=headers)
        assert (answer.status_code, answer.json()["stdout"]) == (200, "out")
        ((method, path, query, sent),) = made.worker.seen
        assert (method, path, query) == ("POST", f"/sandboxes/{id}/exec/run", "x=%2F")
        assert made.worker.bodies == [body]
        assert (sent["x-request-id"], sent["x-other"]) == ("trace-1", "kept")
        assert not {"authorization", "cookie", "x-api-key"} & sent.keys()
        assert answer.headers["x-request-id"] == "trace-1"
        assert len(answer.headers.get_list("date")) == 1

    run(test)


def test_upload_is_streamed_with_its_length_or_without() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(64):
            yield bytes([number]) * 65536

    async def test(made: Control) -> None:
        id = await made.create()
        whole = b"".join([chunk async for chunk in chunks()])
        for content in (whole, chunks(), b""):
            answer = await made.api.put(f"/sandboxes/{id}/files?path=/big", content=content)
            assert answer.status_code == 204
        assert made.worker.bodies == [whole, whole, b""]

    run(test)


def test_download_arrives_whole() -> None:
    async def test(made: Control) -> None:
        made.worker.download = [bytes([number]) * 65536 for number in range(64)]
        id = await made.create()
        answer = await made.api.get(f"/sandboxes/{id}/files?path=/big")
        assert answer.content == b"".join(made.worker.download)

    run(test)


def test_download_that_breaks_off_is_not_taken_for_whole() -> None:
    async def test(made: Control) -> None:
        made.worker.breaks_off = True
        id = await made.create()
        with pytest.raises(httpx.RemoteProtocolError):
            await made.api.get(f"/sandboxes/{id}/files?path=/big")
        assert (await made.api.get("/whoami")).status_code == 200

    run(test)


def test_client_that_leaves_takes_its_call_with_it() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        made.worker.may_answer.clear()
        asking = asyncio.create_task(made.api.post(f"/sandboxes/{id}/exec/run", json={"cmd": "sleep"}))
        await made.worker.asked_to_run.wait()
        asking.cancel()
        await made.worker.client_left.wait()
        await asyncio.gather(asking, return_exceptions=True)

    run(test)


@pytest.mark.parametrize("session", ["..", "0123456", "ABCDEF01", "01234567%0a", "%2e%2e"])
def test_malformed_session_never_reaches_the_worker(session: str) -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        for method, call in (("POST", "kill"), ("GET", "result")):
            path = httpx.URL(f"{made.origin}/api/sandboxes/{id}/exec/").copy_with(
                raw_path=f"/api/sandboxes/{id}/exec/{session}/{call}".encode()
            )
            assert (await made.api.request(method, path)).status_code in {404, 405}
        assert made.worker.seen == []

    run(test)


def test_traffic_is_seen_by_the_idle_clock_and_looking_is_not() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        await made.api.get(f"/sandboxes/{id}")
        await made.api.get("/sandboxes")
        assert made.plane.activity.unwritten() == {}
        await made.api.get(f"/sandboxes/{id}/exec")
        assert made.plane.activity.unwritten().keys() == {id}

    run(test)
