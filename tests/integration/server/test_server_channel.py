"""The relay of WebSockets (contract 3.1)."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from oc.model.errors import NotFound
from tests.integration.server.control import Control, run

SESSION = "01234567"


def attach(made: Control, id: str, query: str = "", key: str | None = "", **headers: str) -> connect:
    """`key`: "" for the right one in a header, None for none."""
    sent = headers | ({} if key is None else {"X-API-Key": key or made.key})
    url = f"{made.origin.replace('http', 'ws', 1)}/api/sandboxes/{id}/exec/{SESSION}{query}"
    return connect(url, additional_headers=sent, proxy=None, compression=None)


async def refused(connecting: connect) -> tuple[int, Any]:
    with pytest.raises(InvalidStatus) as raised:
        await connecting
    response = raised.value.response
    assert response.headers["Content-Type"] == "application/json"
    assert "X-Request-Id" in response.headers
    return response.status_code, msgspec.json.decode(response.body)["error"]


def test_messages_pass_unchanged_both_ways() -> None:
    async def test(made: Control) -> None:
        async with attach(made, await made.create()) as client:
            for message in (b"\x00hello", b"", "text", bytes(range(256)) * 2048):
                await client.send(message)
                assert await client.recv() == message

    run(test)


def test_own_extension_passes_and_credentials_do_not() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        query = f"?api_key={made.key}&reader=ab&offset=7"
        async with attach(made, id, query, None, **{"X-OC-Attach": "1"}):
            pass
        ((method, path, sent, headers),) = made.worker.seen
        assert (method, path, sent) == ("WS", f"/sandboxes/{id}/exec/{SESSION}", "reader=ab&offset=7")
        assert headers["x-oc-attach"] == "1"
        assert made.key not in str(headers)

    run(test)


@pytest.mark.parametrize("code", [1000, 1011, 4000])
def test_workers_close_arrives_after_its_last_words_with_its_code(code: int) -> None:
    async def test(made: Control) -> None:
        async with attach(made, await made.create()) as client:
            await client.send(b"close %d" % code)
            assert await client.recv() == b"last words"
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert (client.close_code, client.close_reason) == (code, "as told")

    run(test)


def test_client_that_still_talks_gets_the_last_words() -> None:
    """The worker has closed already when it hears of what comes after; that must not drop what it said before."""

    async def talk(client: ClientConnection) -> None:
        await client.send(b"close 1000")
        for _ in range(200):
            await client.send(b"more")

    async def test(made: Control) -> None:
        async with attach(made, await made.create()) as client:
            talking = asyncio.create_task(talk(client))
            assert [message async for message in client] == [b"last words"]
            await asyncio.gather(talking, return_exceptions=True)
            assert client.close_code == 1000

    run(test)


def test_only_a_client_that_closes_with_1000_is_said_to_have_done_so() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        async with attach(made, id) as client:
            await client.close(1000)
        assert await made.worker.closed_with.get() == 1000
        async with attach(made, id) as client:
            await client.close(4321)
        assert await made.worker.closed_with.get() == 4321
        async with attach(made, id) as client:
            client.transport.abort()
            assert await made.worker.closed_with.get() not in {1000, 1005}

    run(test)


def test_refusals_are_plain_http_before_the_upgrade() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        assert await refused(attach(made, id, key=None)) == (401, "missing API key")
        assert await refused(attach(made, id, "?api_key=wrong", None)) == (401, "invalid API key")
        assert await refused(attach(made, id, key=await made.new_key("others"))) == (404, f"sandbox not found: {id}")
        assert (await refused(attach(made, "sb-00000000")))[0] == 404
        made.worker.refusal = NotFound(f"exec session {SESSION} not found")
        assert await refused(attach(made, id)) == (404, f"exec session {SESSION} not found")
        await made.api.delete(f"/sandboxes/{id}")
        assert await refused(attach(made, id)) == (410, f"sandbox {id} has been stopped")

    run(test)


def test_worker_that_is_away_refuses_with_503() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        socket = made.plane.worker.socket
        socket.rename(socket.with_suffix(".hidden"))
        try:
            status, text = await refused(attach(made, id))
        finally:
            socket.with_suffix(".hidden").rename(socket)
        assert status == 503
        assert "worker" in text

    run(test)


def test_unknown_path_is_404_and_a_plain_request_is_told_to_upgrade() -> None:
    async def test(made: Control) -> None:
        url = f"{made.origin.replace('http', 'ws', 1)}/nothing/here"
        assert (await refused(connect(url, proxy=None)))[0] == 404
        answer = await made.api.get(f"/sandboxes/{await made.create()}/exec/{SESSION}")
        assert (answer.status_code, "upgrade" in answer.json()["error"]) == (400, True)

    run(test)


def test_slow_client_holds_the_worker_and_nothing_is_lost() -> None:
    """64 MB through a line whose reader starts late: more than any buffer on the way holds."""

    async def test(made: Control) -> None:
        block, count = b"x" * (256 << 10), 256
        async with attach(made, await made.create()) as client:
            sending = asyncio.create_task(send_all(client, block, count))
            for _ in range(count):
                assert await client.recv() == block
            await sending

    async def send_all(client: ClientConnection, block: bytes, count: int) -> None:
        for _ in range(count):
            await client.send(block)

    run(test)


def test_traffic_is_seen_by_the_idle_clock_of_channels() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        async with attach(made, id) as client:
            made.plane.activity.unwritten()
            await client.send(b"x")
            await client.recv()
            assert made.plane.activity.unwritten().keys() == {id}

    run(test)
