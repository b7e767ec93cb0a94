"""`oc login` and `oc logout` against a real server, with a person who approves."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.integration.cli.program import PATIENCE_S, Program, Ran
from tests.integration.server.control import until
from tests.integration.web_accounts.site import Browser, Site, visit

CODE = re.compile(rb"/device\?code=([A-Z]{4}-[A-Z]{4})")
Test = Callable[[Site, Browser, Program], Coroutine[Any, Any, None]]


def at_home(directory: Path, test: Test) -> None:
    """`test` gets a site, its admin and an `oc` of somebody who has no key."""

    async def work(site: Site) -> None:
        await test(site, await site.admin(), Program(directory, site.origin, ""))

    visit(work)


async def run(oc: Program, *argv: str) -> Ran:
    return await asyncio.to_thread(oc, *argv)


async def log_in(oc: Program, decide: Callable[[str], Coroutine[Any, Any, object]], *flags: str) -> Ran:
    """Runs `oc login`, and `decide` with the code that it shows."""
    process = oc.start("login", "--no-browser", *flags)
    with process:
        try:
            shown = await asyncio.to_thread(_until_code, process)
            await decide(shown.decode())
            out, err = await asyncio.to_thread(process.communicate, None, PATIENCE_S)
        finally:
            process.kill()
    return Ran(process.returncode, out, err)


def _until_code(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stderr is not None
    for line in process.stderr:
        if found := CODE.search(line):
            return found[1]
    raise AssertionError("oc login ended without a code")


def approval(admin: Browser, decision: str = "approve") -> Callable[[str], Coroutine[Any, Any, object]]:
    return lambda code: admin.submit("/device", code=code, decision=decision)


def exists(file: Path) -> Callable[[], Coroutine[Any, Any, bool]]:
    return lambda: asyncio.to_thread(file.exists)


def saved(oc: Program) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((oc.home / ".oc" / "config.json").read_text())
    return values


def test_one_logs_in_works_and_logs_out(tmp_path: Path) -> None:
    async def test(site: Site, admin: Browser, oc: Program) -> None:
        ran = await log_in(oc, approval(admin), "--json")
        assert ran.code == 0, ran.err
        told, values = json.loads(ran.out), saved(oc)
        assert told["email"] == "admin@example.com"
        assert told["credential"]["id"] == values["login"]["credential_id"]
        assert values["api_url"] == values["login"]["api_url"] == site.origin
        assert values["api_key"].encode() not in ran.out + ran.err
        assert b"admin@example.com" in (await run(oc, "whoami")).out
        again = await run(oc, "login")
        assert (again.code, again.out.splitlines()[0]) == (0, b"Logged in already.")

        ran = await run(oc, "logout", "--json")
        assert (ran.code, json.loads(ran.out)) == (0, {"status": "logged_out"})
        assert (await site.whoami(values["api_key"])).status_code == 401
        assert saved(oc) == {"api_url": site.origin}
        assert (await run(oc, "logout")).code == 1

    at_home(tmp_path, test)


def test_a_forced_login_revokes_the_former_one(tmp_path: Path) -> None:
    async def test(site: Site, admin: Browser, oc: Program) -> None:
        await log_in(oc, approval(admin))
        former = saved(oc)["api_key"]
        assert (await log_in(oc, approval(admin), "--force")).code == 0
        assert (await site.whoami(former)).status_code == 401
        assert (await site.whoami(saved(oc)["api_key"])).status_code == 200

    at_home(tmp_path, test)


def test_a_denied_login_says_so_and_saves_nothing(tmp_path: Path) -> None:
    async def test(_: Site, admin: Browser, oc: Program) -> None:
        ran = await log_in(oc, approval(admin, "deny"))
        assert ran.code == 3
        assert b"authorization_denied: it was denied in the browser" in ran.err
        assert not (oc.home / ".oc").exists()

    at_home(tmp_path, test)


def test_a_key_that_was_given_otherwise_is_not_replaced(tmp_path: Path) -> None:
    async def test(_: Site, __: Browser, oc: Program) -> None:
        assert b"leave --api-key out" in (await run(oc, "login", "--api-key", "osb_x")).err
        oc.environment["OPENCOMPUTER_API_KEY"] = "osb_x"
        assert b"OPENCOMPUTER_API_KEY is set" in (await run(oc, "login")).err
        oc.environment.clear()
        await run(oc, "config", "set", "api-key", "osb_x")
        for command in ("login", "logout"):
            ran = await run(oc, command)
            assert ran.code == 1
            assert b"set by hand" in ran.err
        assert saved(oc)["api_key"] == "osb_x"

    at_home(tmp_path, test)


def test_a_login_elsewhere_stays_until_one_logs_out(tmp_path: Path) -> None:
    async def test(site: Site, admin: Browser, oc: Program) -> None:
        await log_in(oc, approval(admin))
        ran = await run(oc, "login", "--api-url", "http://127.0.0.1:1")
        assert (ran.code, f"you are logged in to {site.origin}".encode() in ran.err) == (1, True)
        key = saved(oc)["api_key"]
        assert (await run(oc, "logout", "--local")).code == 0
        assert "api_key" not in saved(oc)
        assert (await site.whoami(key)).status_code == 200

    at_home(tmp_path, test)


def test_a_browser_is_opened_at_the_page_with_the_code(tmp_path: Path) -> None:
    async def test(site: Site, admin: Browser, oc: Program) -> None:
        opened = tmp_path / "opened"
        program = tmp_path / "bin" / "xdg-open"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "$1" >{opened}.new && mv {opened}.new {opened}\n')
        program.chmod(0o755)
        oc.environment["PATH"] = f"{program.parent}:/usr/bin:/bin"
        process = oc.start("login")
        with process:
            try:
                code = (await asyncio.to_thread(_until_code, process)).decode()
                await admin.submit("/device", code=code, decision="approve")
                await asyncio.to_thread(process.communicate, None, PATIENCE_S)
            finally:
                process.kill()
        await until(exists(opened))
        assert opened.read_text() == f"{site.origin}/device?code={code}\n"

    at_home(tmp_path, test)
