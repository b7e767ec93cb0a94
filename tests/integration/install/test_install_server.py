"""`curl -fsSL http://HOST/install.sh | bash`, against the real server."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shlex
from pathlib import Path

import pytest

from tests.integration.install.home import Home, Ran, tools
from tests.integration.server.control import Control, run

FUNCTIONS_END = "\nmain "  # the only line that calls anything


async def fetched(made: Control, host: str | None = None) -> str:
    headers = {} if host is None else {"Host": host}
    answer = await made.api.get(f"{made.origin}/install.sh", headers={**headers, "X-API-Key": ""})
    assert answer.status_code == 200, answer.text
    return answer.text


def call(script: str) -> list[str]:
    """The words of its last line, as a shell reads them."""
    assert script.count(FUNCTIONS_END) == 1
    return shlex.split(script[script.index(FUNCTIONS_END) :], comments=True)


async def pipe(home: Home, script: str) -> Ran:
    return await asyncio.to_thread(home.pipe, script)


# --- what the script holds --------------------------------------------------------------------------------------------


def test_archive_is_the_one_whose_checksum_the_script_has() -> None:
    async def test(made: Control) -> None:
        script = await fetched(made)
        packed = (await made.api.get(f"{made.origin}/install/oc.tar.gz")).content
        assert call(script) == ["main", made.origin, hashlib.sha256(packed).hexdigest()]

    run(test)


def test_server_is_where_the_request_has_reached_it() -> None:
    async def test(made: Control) -> None:
        for host in ("localhost:8080", "oc.example.com", "[::1]:8080", "[2001:db8::1]", "My-Host_1.local:65535"):
            assert call(await fetched(made, host))[1] == f"http://{host}"

    run(test)


@pytest.mark.parametrize("host", ["elsewhere.example", "$(touch hacked)"])
def test_public_url_is_believed_before_any_request(host: str) -> None:
    async def test(made: Control) -> None:
        assert call(await fetched(made, host))[1] == "https://oc.example.com"

    run(test, public_url="https://oc.example.com")


HOSTILE = [
    b"$(touch hacked)", b"`touch hacked`", b"a;touch hacked", b"a&touch hacked", b"a|touch hacked", b"a'b", b'a"b',
    b"a b", b"a\\b", b"a\tb", b"a$IFS", b"a{b,c}", b"a>b", b"a#b", b"a/b", b"a/../b", b"a?b", b"user@a", b"a:b", b"a:",
    b":80", b"a:808080", b"[::1", b"::1", b"[::1]x", b"[$(id)]", b"a..b", b".a", b"-a", b"a%0ab", b"a!b", b"~a",
    b"*", b"", b"\xc3\xa4", b"a\xff", b"a\x00b", b"a" * 64, b".".join([b"a"] * 70), b"a\r\nHost: b", b"a\r\n b",
]  # fmt: skip


def test_no_host_gets_anything_into_the_script() -> None:
    async def test(made: Control) -> None:
        for host in HOSTILE:
            answer = await raw(made, b"GET /install.sh HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 400 "), host
            assert b"main " not in answer, host
            assert b"hacked" not in answer, host

    run(test)


def test_request_without_a_host_gets_no_script() -> None:
    async def test(made: Control) -> None:
        assert (await raw(made, b"GET /install.sh HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 400 ")

    run(test)


def test_forwarded_headers_are_not_believed() -> None:
    async def test(made: Control) -> None:
        forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"}
        answer = await made.api.get(f"{made.origin}/install.sh", headers=forged)
        assert call(answer.text)[1] == made.origin
        assert answer.headers["Cache-Control"] == "no-store"

    run(test)


async def raw(made: Control, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(made.origin.rpartition(":")[2]))
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):  # the server may have closed it first, with bytes of ours unread
            await writer.wait_closed()


# --- what it does -----------------------------------------------------------------------------------------------------


def test_installs_and_points_the_command_line_at_this_server(home: Home) -> None:
    async def test(made: Control) -> None:
        ran = await pipe(home, await fetched(made))
        assert ran.code == 0, ran.err
        assert f"API URL:     {made.origin}\n" in ran.out
        assert f"{made.origin}/settings/keys" in ran.err
        assert home.settings() == {"api_url": made.origin}
        again = await pipe(home, await fetched(made))
        assert (again.code, home.settings()) == (0, {"api_url": made.origin})
        listed = await asyncio.to_thread(home.run, home.oc, "--api-key", made.key, "ls")
        assert listed.out == "No sandboxes found.\n"

    run(test)


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ({"api_url": "http://mine.example"}, "api-url not changed: it is http://mine.example already"),
        ({"api_key": "osb_1"}, "api-url not changed: the saved key is for http://127.0.0.1:8080"),
    ],
)
def test_settings_that_there_are_stay_as_they_are(home: Home, before: dict[str, str], told: str) -> None:
    async def test(made: Control) -> None:
        home.configure(**before)
        ran = await pipe(home, await fetched(made))
        assert ran.code == 0, ran.err
        assert told in ran.out
        assert home.settings() == before

    run(test)


def test_broken_settings_are_named_and_do_not_undo_the_installation(home: Home) -> None:
    async def test(made: Control) -> None:
        home.configure()
        home.config.write_text("{")
        ran = await pipe(home, await fetched(made))
        assert f"{home.config} is not a JSON file" in ran.err
        assert f"oc config set api-url {made.origin}" in ran.err
        assert home.oc.exists()

    run(test)


@pytest.mark.parametrize("without", [("curl",), ("wget",), ("sha256sum",), ("tar", "gzip", "flock")])
def test_needs_only_one_of_the_programs_that_do_the_same(home: Home, tmp_path: Path, without: tuple[str, ...]) -> None:
    async def test(made: Control) -> None:
        home.search = tools(tmp_path / "tools", *without, python=True)
        ran = await pipe(home, await fetched(made))
        assert ran.code == 0, ran.err
        assert home.oc.exists()

    run(test)


def test_says_when_it_can_download_nothing(home: Home, tmp_path: Path) -> None:
    async def test(made: Control) -> None:
        home.search = tools(tmp_path / "tools", "curl", "wget", python=True)
        ran = await pipe(home, await fetched(made))
        assert (ran.code, ran.out) == (1, "")
        assert "neither curl nor wget" in ran.err

    run(test)


def test_archive_with_another_checksum_is_not_unpacked(home: Home) -> None:
    async def test(made: Control) -> None:
        script = await fetched(made)
        checksum = call(script)[2]
        ran = await pipe(home, script.replace(checksum, "0" * 64))
        assert (ran.code, ran.out) == (1, "")
        assert "checksum" in ran.err
        assert not home.oc.exists()
        assert home.installed == set()

    run(test)


def test_server_that_has_gone_is_named(home: Home) -> None:
    async def test(made: Control) -> None:
        script = await fetched(made)
        ran = await pipe(home, script.replace(made.origin, "http://127.0.0.1:1"))
        assert ran.code == 1
        assert "cannot download http://127.0.0.1:1/install/oc.tar.gz" in ran.err
        assert not home.oc.exists()

    run(test)


def test_download_of_the_script_that_breaks_off_does_nothing(home: Home) -> None:
    """Cut after every line, and within the one that calls the others."""

    async def test(made: Control) -> None:
        script = await fetched(made)
        last = script.index(FUNCTIONS_END)
        cuts = [at for at, sign in enumerate(script[: last + 1]) if sign == "\n"]
        cuts += [last + len(FUNCTIONS_END) + more for more in (-4, -1, 0, 7, 20)]
        for at in cuts:
            await pipe(home, script[:at])
            assert not home.oc.exists(), script[:at][-200:]
        assert not home.config.exists()

    run(test)
