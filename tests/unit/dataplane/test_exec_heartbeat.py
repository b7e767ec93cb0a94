"""Long answers: an early head, spaces, and what becomes of failures and of clients that leave."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message

from oc.model.errors import Failed
from oc.worker.heartbeat import Heartbeat

NEVER_S = 3600.0


class Client:
    """Both ends of an ASGI exchange whose request has been read."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.spaces = asyncio.Event()
        self.left = asyncio.Event()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if message.get("body") == b" ":
            self.spaces.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


async def answer(work: Any, client: Client, first_s: float = NEVER_S) -> None:
    async with asyncio.timeout(30):
        await Heartbeat(work, first_s, 0.001)({"type": "http"}, client.receive, client.send)


def test_a_quick_result_is_a_plain_answer() -> None:
    async def work() -> None:
        async def result() -> dict[str, Any]:
            return {"exitCode": 0}

        client = Client()
        await answer(result(), client)
        assert (client.sent[0]["status"], client.body) == (200, b'{"exitCode":0}')
        assert (b"content-length", b"14") in client.sent[0]["headers"]

    asyncio.run(work())


def test_a_quick_failure_keeps_its_status() -> None:
    async def work() -> None:
        async def result() -> dict[str, Any]:
            raise Failed("no such program: nope")

        client = Client()
        with pytest.raises(Failed):
            await answer(result(), client)
        assert client.sent == []

    asyncio.run(work())


def test_a_slow_result_comes_after_spaces() -> None:
    async def work() -> None:
        client = Client()

        async def result() -> dict[str, Any]:
            await client.spaces.wait()
            return {"exitCode": 0}

        await answer(result(), client, first_s=0.001)
        assert client.sent[0]["status"] == 200
        assert client.body.startswith(b" ")
        assert json.loads(client.body) == {"exitCode": 0}

    asyncio.run(work())


def test_a_late_failure_is_told_in_the_body() -> None:
    async def work() -> None:
        client = Client()

        async def result() -> dict[str, Any]:
            await client.spaces.wait()
            raise Failed("the sandbox died")

        await answer(result(), client, first_s=0.001)
        body = json.loads(client.body)
        assert (body["exitCode"], body["stderr"], body["error"]) == (-1, "the sandbox died", "the sandbox died")

    asyncio.run(work())


@pytest.mark.parametrize("first_s", [0.001, NEVER_S], ids=["while spaces are sent", "before the head"])
def test_the_work_is_cancelled_when_the_client_leaves(first_s: float) -> None:
    async def work() -> None:
        client = Client()
        cancelled = asyncio.Event()

        async def result() -> dict[str, Any]:
            try:
                if first_s < 1:
                    await client.spaces.wait()
                client.left.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise
            return {}

        await answer(result(), client, first_s)
        assert cancelled.is_set()

    asyncio.run(work())
