"""The worker's side of the way in (`oc.wire.tunnels`), spoken to as the server does."""

from __future__ import annotations

import asyncio
import json
import stat

import pytest

from oc.model.errors import NotFound
from oc.runtime.driver import Endpoint
from oc.wire.tunnels import hung_up, request
from oc.worker import tunnels
from oc.worker.agent.link import Link
from tests.integration.dataplane.stand import ID, OneSandbox, eventually
from tests.integration.preview.stand import Inside, Stand, on_stand
from tests.integration.worker.house import ID as HOUSE_ID
from tests.integration.worker.house import House

HELLO = b"hello"


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until its end, and ends then."""
    while data := await reader.read(1 << 16):
        writer.write(data.upper())
        await writer.drain()


async def opened(stand: Stand, line: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    reader, writer = await asyncio.open_unix_connection(str(stand.tunnels))
    writer.write(line)
    return reader, writer, await reader.readline()


def fileno(writer: asyncio.StreamWriter) -> int:
    return int(writer.get_extra_info("socket").fileno())


def test_bytes_go_both_ways_and_each_ends_by_itself(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        async with Inside(shout) as inside:
            reader, writer, answer = await opened(stand, request(ID, inside.port))
            assert answer == b"ok\n"
            sent = HELLO * (1 << 19)  # more than the windows hold

            async def send() -> None:
                writer.write(sent)
                await writer.drain()
                writer.write_eof()

            sending = asyncio.ensure_future(send())
            assert await reader.read(-1) == sent.upper()
            await sending
            writer.close()

    on_stand(agent, work)


def test_end_in_good_order_is_told_from_a_loss(agent: Endpoint) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HELLO)
        if await reader.readline() == b"end\n":
            writer.write_eof()
        await reader.read()

    async def work(stand: Stand) -> None:
        async with Inside(speak) as inside:
            reader, writer, _ = await opened(stand, request(ID, inside.port))
            writer.write(b"end\n")
            assert await reader.read() == HELLO
            assert not hung_up(fileno(writer))
            writer.close()

            reader, writer, _ = await opened(stand, request(ID, inside.port))
            assert await reader.readexactly(len(HELLO)) == HELLO
            await stand.links.close()
            assert await reader.read() == b""
            assert hung_up(fileno(writer))
            writer.close()

    on_stand(agent, work)


def test_server_that_goes_is_missed_inside(agent: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is not read from, because the server inside takes nothing."""
    monkeypatch.setattr(tunnels, "LOOK_EVERY_S", 0.1)

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.get_running_loop().create_future()

    async def work(stand: Stand) -> None:
        async with Inside(deaf) as inside:
            _, writer, _ = await opened(stand, request(ID, inside.port))
            writer.write(bytes(16 << 20))
            link: Link = stand.links.open[-1]

            async def held() -> bool:
                before = writer.transport.get_write_buffer_size()
                await asyncio.sleep(0.5)
                return writer.transport.get_write_buffer_size() == before > 0 and len(link._streams) == 1

            await eventually(held)
            writer.transport.abort()

            async def gone() -> bool:
                return not link._streams

            await eventually(gone)

    on_stand(agent, work)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (request(ID, 1), "connection_refused"),
        (b"sb-0123abcd 0\n", "bad_request"),
        (b"sb-0123abcd 65536\n", "bad_request"),
        (b"sb-0123abcd  1\n", "bad_request"),
        (b"../../etc 80\n", "bad_request"),
        (b"sb-0123abcd 80 and more, without an end " * 3, "bad_request"),
        (b"sb-0123abcd 1\nGET / HTTP/1.1\r\n", "bad_request"),
    ],
)
def test_refusals(agent: Endpoint, line: bytes, code: str) -> None:
    async def work(stand: Stand) -> None:
        reader, writer, answer = await opened(stand, line)
        assert json.loads(answer)["code"] == code
        assert await reader.read() == b""
        writer.close()

    on_stand(agent, work)


def test_sandbox_that_is_not_there(agent: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_link(_: OneSandbox, id: str) -> Link:
        raise NotFound(f"sandbox {id} not found")

    monkeypatch.setattr(OneSandbox, "link", no_link)

    async def work(stand: Stand) -> None:
        _, writer, answer = await opened(stand, request("sb-ffffffff", 80))
        assert json.loads(answer)["code"] == "not_found"
        writer.close()
        assert (await stand.get(80))[0] == 502

    on_stand(agent, work)


def test_worker_process_has_the_socket_and_leaves_no_answer_whole_when_it_is_killed(house: House) -> None:
    house.start()
    house.create()
    path = house.run / "tunnels.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o660

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HELLO)
        await reader.read()

    async def work() -> None:
        async with Inside(speak) as inside:
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(request(HOUSE_ID, inside.port))
            assert await reader.readexactly(8) == b"ok\n" + HELLO
            await asyncio.to_thread(house.end)
            assert await reader.read() == b""
            assert hung_up(fileno(writer))
            writer.close()

    asyncio.run(work())
