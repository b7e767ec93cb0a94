"""How requests and answers of previews are written anew, and the pool of connections."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from oc.server.preview import pool as pools
from oc.server.preview.fields import Malformed
from oc.server.preview.pool import Pool
from oc.server.preview.request import Outgoing
from oc.server.preview.response import returned
from oc.server.preview.upstream import Head, Upstream
from oc.wire.tunnels import parse, request

HOST = (b"host", b"sb-0123abcd-p80.localhost")
PLACE = "sb-0123abcd", 80


def outgoing(*fields: tuple[bytes, bytes], peer: str = "203.0.113.9", **scope: Any) -> list[bytes]:
    made = {
        "method": "GET",
        "http_version": "1.1",
        "scheme": "http",
        "client": (peer, 1),
        "raw_path": b"/",
        "query_string": b"",
        "headers": [HOST, *fields],
        **scope,
    }
    return Outgoing(made, frozenset()).head.split(b"\r\n")


def test_stranger_cannot_say_where_a_request_came_from() -> None:
    told = [(name, b"forged") for name in (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded")]
    assert outgoing(*told, (b"x-real-ip", b"forged"))[2:-2] == [
        b"x-forwarded-for: 203.0.113.9",
        b"x-forwarded-proto: http",
        b"x-forwarded-host: " + HOST[1],
    ]


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1"])
def test_proxy_on_this_host_can(peer: str) -> None:
    told = [(b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-proto", b"https"), (b"x-real-ip", b"203.0.113.9")]
    assert outgoing(*told, peer=peer)[2:-2] == [
        b"x-forwarded-for: 203.0.113.9, " + peer.encode(),
        b"x-forwarded-proto: https",
        b"x-forwarded-host: " + HOST[1],
        b"x-real-ip: 203.0.113.9",
    ]


def test_connection_cannot_name_away_what_others_rely_on() -> None:
    lines = outgoing((b"connection", b"content-length, host, x-forwarded-for, x-mine"), (b"x-mine", b"1"))
    assert HOST[0] + b": " + HOST[1] in lines
    assert any(line.startswith(b"x-forwarded-for: 203.") for line in lines)
    assert not any(line.startswith(b"x-mine") for line in lines)


@pytest.mark.parametrize(
    "cookies",
    [
        [b"oc_session=1"],
        [b" oc_session = 1 ;__Host-oc_session=2"],
        [b"oc_session=1", b"__Host-oc_session=2"],
        [b"oc_session"],
    ],
)
def test_our_cookies_stay_here(cookies: list[bytes]) -> None:
    assert not any(line.startswith(b"cookie") for line in outgoing(*((b"cookie", value) for value in cookies)))
    lines = outgoing(*((b"cookie", b"a=1; " + value + b"; oc_sessions=2") for value in cookies))
    assert [line for line in lines if b"oc_session=" in line or b"__Host-" in line] == []
    assert any(line.startswith(b"cookie: a=1; oc_sessions=2") for line in lines)


@pytest.mark.parametrize("target", [b"", b"*", b"/a b", b"/a\r\nX: y", b"/\x00", b"/\xff", b"http://x/"])
def test_target_is_a_path(target: bytes) -> None:
    with pytest.raises(Malformed):
        outgoing(raw_path=target)


@pytest.mark.parametrize("field", [(b"x", b"a\r\nb: c"), (b"x", b"a\0"), (b"x y", b"a"), (b"x:", b"a"), (b"", b"a")])
def test_field_is_one_line(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(Malformed):
        outgoing(field)


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        (b"a=b", b"a=b"),
        (b"a=domain=x; Path=/", b"a=domain=x; Path=/"),
        (b"a=b; Domain=example.com; Secure", b"a=b; Secure"),
        (b"a=b;domain = .example.com;DOMAIN=x;HttpOnly", b"a=b;HttpOnly"),
        (b"a=b; Domain", b"a=b"),
    ],
)
def test_cookies_from_inside_are_for_one_host(cookie: bytes, expected: bytes) -> None:
    assert returned(Head(200, [(b"set-cookie", cookie)])) == [(b"set-cookie", expected)]


@pytest.mark.parametrize(
    "line", [b"", b"sb-0123abcd 80", b"sb-0123abcd 080\n", b"sb-0123ABCD 80\n", b"sb-0123abcd 80\n\n"]
)
def test_line_that_asks_for_no_tunnel(line: bytes) -> None:
    assert parse(line) is None
    assert parse(request(*PLACE)) == PLACE


class Idle(Upstream):
    def close(self) -> None:
        self.closed = True


def test_pool_gives_the_last_used_and_closes_the_old(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)

    async def work() -> None:
        nonlocal now
        pool, (old, ended, new) = Pool(), (Idle() for _ in range(3))
        pool.give(PLACE, old)
        now += pools.IDLE_S
        pool.give(PLACE, ended)
        pool.give(PLACE, new)
        ended.closed = True
        assert pool.take(("sb-0123abcd", 81)) is None
        assert pool.take(PLACE) is new
        now += 0.1
        pool._tidy()
        assert old.closed
        assert pool.take(PLACE) is None
        pool.close()

    asyncio.run(work())


def test_pool_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "MOST_OF_ONE", 2)
    monkeypatch.setattr(pools, "MOST", 3)

    async def work() -> None:
        pool = Pool()
        made = [(("sb-0123abcd", port), Idle()) for port in (1, 1, 1, 2, 2)]
        for place, upstream in made:
            pool.give(place, upstream)
        assert [upstream.closed for _, upstream in made] == [False, False, True, False, True]
        pool.close()
        assert all(upstream.closed for _, upstream in made)

    asyncio.run(work())
