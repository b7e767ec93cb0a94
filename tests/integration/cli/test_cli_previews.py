"""`oc preview` against a server of ours whose worker is a stub."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from oc.store.accounts import digest
from tests.integration.cli.program import Program, Ran
from tests.integration.server.control import Control, run

Oc = Callable[..., Awaitable[Ran]]


def with_oc(home: Path, test: Callable[[Control, Oc, str], Awaitable[None]]) -> None:
    """A test with the command line and a sandbox."""

    async def work(made: Control) -> None:
        program = Program(home, made.origin, made.key)

        async def oc(*argv: str) -> Ran:
            return await asyncio.to_thread(program, *argv)

        await test(made, oc, await made.create())

    run(work, public_url="https://oc.example.com", domain="preview.example.net")


def test_create_prints_names_and_url(tmp_path: Path) -> None:
    async def test(made: Control, oc: Oc, id: str) -> None:
        hostname = f"{id}-p3000.preview.example.net"
        assert (await oc("preview", "create", id, "--port", "3000")).out.decode().splitlines() == [
            "Preview URL created:",
            f"  Hostname: {hostname}",
            "  Port:     3000",
            "  SSL:      active",
            f"  URL:      https://{hostname}",
        ]
        named = await oc("preview", "create", id, "--port", "3000", "--domain", "myapp.example.com")
        assert named.out.decode().splitlines()[-2:] == [
            "  Custom:   myapp.example.com",
            "  URL:      https://myapp.example.com",
        ]
        scripted = json.loads((await oc("preview", "create", id, "--port", "3000", "--json")).out)
        assert (scripted["hostname"], scripted["url"]) == (hostname, "https://myapp.example.com")

    with_oc(tmp_path, test)


def test_list_shows_the_name_that_was_brought(tmp_path: Path) -> None:
    async def test(made: Control, oc: Oc, id: str) -> None:
        assert (await oc("preview", "list", id)).out == b"No preview URLs found.\n"
        assert json.loads((await oc("preview", "list", id, "--json")).out) == []
        await oc("preview", "create", id, "--port", "80")
        await oc("preview", "create", id, "--port", "8080", "--domain", "myapp.example.com")
        head, *rows = (await oc("preview", "list", id)).out.decode().splitlines()
        assert head.split() == ["PORT", "HOSTNAME", "SSL", "CREATED"]
        assert [row.split()[:3] for row in rows] == [
            ["80", f"{id}-p80.preview.example.net", "active"],
            ["8080", "myapp.example.com", "active"],
        ]

    with_oc(tmp_path, test)


def test_deleted_twice_is_deleted(tmp_path: Path) -> None:
    async def test(made: Control, oc: Oc, id: str) -> None:
        await oc("preview", "create", id, "--port", "80")
        for _ in range(2):
            ran = await oc("preview", "delete", id, "80")
            assert (ran.code, ran.out) == (0, b"Preview URL of port 80 deleted.\n")
        assert json.loads((await oc("preview", "delete", id, "80", "--json")).out)["status"] == "deleted"
        assert await made.call("GET", f"/{id}/preview") == []

    with_oc(tmp_path, test)


def test_rotate_prints_the_token_that_opens(tmp_path: Path) -> None:
    async def test(made: Control, oc: Oc, id: str) -> None:
        line = (await oc("preview", "rotate-auth", id)).out.decode()
        assert line.startswith("Preview auth token (shown once): ")
        row = await made.plane.store.sandboxes.get(id)
        assert row is not None
        assert row.preview_hash == digest(line.split()[-1])
        scripted = json.loads((await oc("preview", "rotate-auth", id, "--json")).out)
        assert scripted.keys() == {"previewAuthToken", "scheme"}

    with_oc(tmp_path, test)


def test_refusals_are_the_servers_words_and_exit_codes(tmp_path: Path) -> None:
    async def test(made: Control, oc: Oc, id: str) -> None:
        await oc("preview", "create", id, "--port", "1", "--domain", "myapp.example.com")
        for code, words, *argv in (
            (3, b"port must be between 1 and 65535", "create", id, "--port", "0"),
            (3, b"sandbox not found", "create", "sb-00000000", "--port", "80"),
            (3, b"is not a host name", "create", id, "--port", "80", "--domain", "https://x.example.com"),
            (4, b"myapp.example.com belongs", "create", id, "--port", "80", "--domain", "myapp.example.com"),
            (3, b"port must be between 1 and 65535", "delete", id, "70000"),
            (3, b"sandbox not found", "list", "sb-00000000"),
        ):
            ran = await oc("preview", *argv)
            assert (ran.code, ran.out) == (code, b""), argv
            assert words in ran.err

    with_oc(tmp_path, test)
