"""Requests and answers that are made to be understood in two ways: they go no further."""

from __future__ import annotations

import asyncio

import pytest

from oc.runtime.driver import Endpoint
from oc.server.preview import pool
from tests.integration.dataplane.stand import eventually
from tests.integration.preview.stand import Inside, Stand, answering, broken_off, on_stand, parsed, request_head

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HIDDEN = "GET /hidden HTTP/1.1\r\nHost: HOST\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"

# HOST stands for the preview's name, | for the end of a line.
REFUSED: dict[str, str] = {
    "both lengths": f"POST / HTTP/1.1|Host: HOST|Content-Length: 6|{CHUNKED}|0||{HIDDEN}",
    "both lengths, the other way round": f"POST / HTTP/1.1|Host: HOST|{CHUNKED}Content-Length: 6||0||{HIDDEN}",
    "two different lengths": f"POST / HTTP/1.1|Host: HOST|Content-Length: 0|Content-Length: 44||{HIDDEN}",
    "two equal lengths": "POST / HTTP/1.1|Host: HOST|Content-Length: 2|Content-Length: 2||ok",
    "a list of lengths": "POST / HTTP/1.1|Host: HOST|Content-Length: 2, 2||ok",
    "a signed length": "POST / HTTP/1.1|Host: HOST|Content-Length: +2||ok",
    "a hexadecimal length": "POST / HTTP/1.1|Host: HOST|Content-Length: 0x2||ok",
    "an empty length": f"POST / HTTP/1.1|Host: HOST|Content-Length: ||{HIDDEN}",
    "a coding that is none": f"POST / HTTP/1.1|Host: HOST|Transfer-Encoding: xchunked||0||{HIDDEN}",
    "a coding before chunked": "POST / HTTP/1.1|Host: HOST|Transfer-Encoding: gzip, chunked||0||",
    "identity": "POST / HTTP/1.1|Host: HOST|Transfer-Encoding: identity||0||",
    "chunked twice": f"POST / HTTP/1.1|Host: HOST|{CHUNKED}{CHUNKED}|0||",
    "chunked with a vertical tab": f"POST / HTTP/1.1|Host: HOST|Transfer-Encoding:\x0bchunked||0||{HIDDEN}",
    "chunked in HTTP/1.0": f"POST / HTTP/1.0|Host: HOST|{CHUNKED}|0||",
    "a space before the colon": f"POST / HTTP/1.1|Host: HOST|Transfer-Encoding : chunked||0||{HIDDEN}",
    "a folded header": "GET / HTTP/1.1|Host: HOST|X: a| b||",
    "a folded coding": f"POST / HTTP/1.1|Host: HOST|Transfer-Encoding:| chunked||0||{HIDDEN}",
    "lines that end with LF": "GET / HTTP/1.1\nHost: HOST\n\n",
    "a bare LF in a value": "GET / HTTP/1.1|Host: HOST|X: a\nContent-Length: 5||",
    "a bare CR in a value": "GET / HTTP/1.1|Host: HOST|X: a\rY: b||",
    "a NUL in a value": "GET / HTTP/1.1|Host: HOST|X: a\0b||",
    "a control character in a value": "GET / HTTP/1.1|Host: HOST|X: a\x01b||",
    "a space in a name": "GET / HTTP/1.1|Host: HOST|X y: a||",
    "no Host": "GET / HTTP/1.1||",
    "two Hosts": "GET / HTTP/1.1|Host: HOST|Host: localhost||",
    "two Hosts, the other way round": "GET / HTTP/1.1|Host: localhost|Host: HOST||",
    "an absolute target of another host": "GET http://localhost/ HTTP/1.1|Host: HOST||",
    "a preview in the target alone": "GET http://HOST/ HTTP/1.1|Host: localhost||",
    "a user in the target": "GET http://HOST@localhost/ HTTP/1.1|Host: HOST||",
    "a method that opens a tunnel": "CONNECT HOST:80 HTTP/1.1|Host: HOST||",
    "an upgrade with a body": "GET / HTTP/1.1|Host: HOST|Connection: Upgrade|Upgrade: websocket|Content-Length: 44||x",
    "an upgrade that posts": "POST / HTTP/1.1|Host: HOST|Connection: Upgrade|Upgrade: websocket||",
    "an upgrade with two Hosts": "GET / HTTP/1.1|Host: HOST|Host: HOST|Connection: Upgrade|Upgrade: websocket||",
    "an upgrade of another host": (
        "GET http://localhost/ HTTP/1.1|Host: HOST|Connection: Upgrade|Upgrade: websocket||"
    ),
}


def written(text: str, stand: Stand, inside: Inside) -> bytes:
    return text.replace("|", "\r\n").replace("HOST", stand.host(inside)).encode("latin-1")


async def trouble(stand: Stand, text: str) -> str | None:
    """What is wrong with how the request was met; None: it was refused, its connection closed, no head came inside."""
    heads: list[bytes] = []

    async def record(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            heads.append(await request_head(reader))

    async with Inside(record) as inside:
        answer = await stand.raw(written(text, stand, inside))
    status, fields, body = parsed(answer)
    if status not in {400, 405} or b"HTTP/1.1" in body or fields.get("connection") != "close":
        return f"answered {answer!r}"
    return f"came inside: {heads}" if heads else None


def test_request_that_can_be_read_in_two_ways_is_refused(agent: Endpoint) -> None:
    """And the connection with it, so that what follows is not taken for a request."""

    async def work(stand: Stand) -> None:
        troubles = {what: await trouble(stand, text) for what, text in REFUSED.items()}
        assert {what: why for what, why in troubles.items() if why} == {}

    on_stand(agent, work)


@pytest.mark.parametrize("size", ["0x2", "-1", "2 ", "g", ""])
def test_chunk_that_has_no_size_ends_the_request(agent: Endpoint, size: str) -> None:
    """The head was right, and is inside by then; the rest of it never comes."""
    bodies: list[bytes] = []

    async def record(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        bodies.append(await reader.read())

    async def work(stand: Stand) -> None:
        async with Inside(record) as inside:
            text = f"POST / HTTP/1.1|Host: HOST|{CHUNKED}|1|a|{size}|ok|0||{HIDDEN}"
            assert (await stand.raw(written(text, stand, inside))).startswith(b"HTTP/1.1 400 ")

            async def over() -> bool:
                return inside.connections == 1 and not inside.open

            await eventually(over)
        assert set(bodies) <= {b"", b"1\r\na\r\n"}

    on_stand(agent, work)


def test_body_of_one_request_is_not_the_next(agent: Endpoint) -> None:
    """A whole request as a body stays a body, also when the server inside answers without reading it."""

    async def work(stand: Stand) -> None:
        heads: list[bytes] = []

        async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heads.append(await request_head(reader))
            writer.write(OK)
            await reader.read()

        async with Inside(hasty) as inside:
            hidden = written(HIDDEN, stand, inside)
            post = f"POST / HTTP/1.1|Host: HOST|Content-Length: {len(hidden)}||"
            get = written("GET /next HTTP/1.1|Host: HOST|Connection: close||", stand, inside)
            answer = await stand.raw(written(post, stand, inside) + hidden + get)
            assert answer.count(b"HTTP/1.1 200 OK") == 2
            assert [head.split(b" ")[1] for head in heads] == [b"/", b"/next"]

    on_stand(agent, work)


def test_trailers_are_no_headers(agent: Endpoint) -> None:
    heads: list[bytes] = []

    async def record(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await request_head(reader))
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(OK)

    async def work(stand: Stand) -> None:
        async with Inside(record) as inside:
            text = f"POST / HTTP/1.1|Host: HOST|Connection: close|{CHUNKED}|2|ok|0|X-Admin: yes||"
            assert parsed(await stand.raw(written(text, stand, inside)))[0] == 200
            assert b"x-admin" not in heads[0].lower()

    on_stand(agent, work)


def test_upgrade_behind_an_unanswered_request_is_not_joined(agent: Endpoint) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def work(stand: Stand) -> None:
        async with Inside(silent) as inside:
            text = "GET / HTTP/1.1|Host: HOST||GET / HTTP/1.1|Host: HOST|Connection: Upgrade|Upgrade: websocket||"
            assert await broken_off(stand.raw(written(text, stand, inside)))

            async def over() -> bool:
                return inside.connections == 1 and not inside.open

            await eventually(over)

    on_stand(agent, work)


BAD_ANSWERS: dict[str, bytes] = {
    "no HTTP": b"220 mail.example.com ESMTP\r\n\r\n",
    "both lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
    "a folded header": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "a bare CR": b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok",
    "a bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "a control character": b"HTTP/1.1 200 OK\r\nX: a\x7fb\r\nContent-Length: 2\r\n\r\nok",
    "a status that is none": b"HTTP/1.1 999 OK\r\nContent-Length: 2\r\n\r\nok",
    "a status below all": b"HTTP/1.1 42 OK\r\nContent-Length: 2\r\n\r\nok",
    "an upgrade that nobody asked for": (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    ),
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"X-Many: 0123456789\r\n" * 5000,
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"X: 0\r\n" * 300 + b"Content-Length: 2\r\n\r\nok",
    "one endless header": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
}


def test_answer_that_is_not_valid_goes_no_further(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        wrong = {}
        for what, bad in BAD_ANSWERS.items():
            async with Inside(answering(bad)) as inside:
                status, _, body = await stand.get(inside)
                if status != 502 or b'"code":"upstream_failed"' not in body:
                    wrong[what] = status, body
        assert wrong == {}

    on_stand(agent, work)


@pytest.mark.parametrize("early", [b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", b"220 hello\r\n"])
def test_what_nobody_asked_for_is_no_answer(agent: Endpoint, early: bytes) -> None:
    """Said before the first request, and after an answer: the client of the next request does not get it."""

    async def forging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            await request_head(reader)
            writer.write(OK + early)
            await writer.drain()

    async def work(stand: Stand) -> None:
        async with Inside(forging) as inside:
            for _ in range(3):
                status, _, body = await stand.get(inside)
                assert (status, body) == (200, b"ok")

    on_stand(agent, work)


def test_connection_that_speaks_out_of_turn_is_closed(agent: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE_S", 600.0)  # it is not closed for its age
    turn = asyncio.Event()

    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(OK)
        await turn.wait()
        writer.write(OK.replace(b"ok", b"no"))
        await reader.read()

    async def work(stand: Stand) -> None:
        async with Inside(talkative) as inside:
            assert (await stand.get(inside))[2] == b"ok"
            turn.set()

            async def closed() -> bool:
                return not inside.open

            await eventually(closed)
            assert (await stand.get(inside))[2] == b"ok"
            assert inside.connections == 2

    on_stand(agent, work)
