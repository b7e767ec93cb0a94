"""`oc secret-store`, `oc secret`, `oc sandbox egress` and `oc audit` against a server and a stub of a worker."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from oc.store.audit import Entry
from tests.integration.cli.program import DEFAULT_SIGNALS, OC, PATIENCE_S, Program, Ran
from tests.integration.server.control import Control, run

VALUE = "sk-a-value-that-nobody-may-see"
Oc = Callable[..., Awaitable[Ran]]


def with_oc(home: Path, test: Callable[[Control, Oc, Program], Awaitable[None]]) -> None:
    async def work(made: Control) -> None:
        program = Program(home, made.origin, made.key)

        async def oc(*argv: str, input: bytes = b"") -> Ran:
            ran = await asyncio.to_thread(program, *argv, input=input)
            assert VALUE.encode() not in ran.out + ran.err
            return ran

        await test(made, oc, program)

    run(work)


async def value(made: Control, name: str) -> str:
    """What a new sandbox with the store `s` could send."""
    await made.create(secretStore="s")
    policy: dict[str, Any] = msgspec.json.decode(made.worker.bodies[-1])
    return str({secret["name"]: secret["value"] for secret in policy["secrets"]}[name])


def test_stores_are_made_shown_changed_and_deleted_by_name_or_id(tmp_path: Path) -> None:
    async def test(made: Control, oc: Oc, _: Program) -> None:
        assert (await oc("secret-store", "list")).out == b"No secret stores found.\n"
        made_ = await oc("secret-store", "create", "--name", "s", "--egress-allowlist", "a.example.com,*.example.org")
        assert made_.code == 0, made_.err
        (row,) = json.loads((await oc("secret-store", "ls", "--json")).out)
        assert row["egressAllowlist"] == ["a.example.com", "*.example.org"]
        assert row["id"].encode() in made_.out
        head, line = (await oc("secret-store", "list")).out.decode().splitlines()
        assert head.split()[:2] == ["ID", "NAME"]
        assert "a.example.com, *.example.org" in line
        for name in ("s", row["id"]):
            assert b"*.example.org" in (await oc("secret-store", "get", name)).out
        assert (await oc("secret-store", "update", "s", "--name", "t")).code == 0
        taken = await oc("secret-store", "create", "--name", "t")
        assert (taken.code, taken.out) == (4, b"")
        assert b"a secret store named t exists" in taken.err
        assert (await oc("secret-store", "delete", "t")).code == 0
        assert (await oc("secret-store", "get", "t")).code == 3

    with_oc(tmp_path, test)


def test_a_value_comes_from_standard_input_without_its_last_line_end(tmp_path: Path) -> None:
    async def test(made: Control, oc: Oc, _: Program) -> None:
        await oc("secret-store", "create", "--name", "s")
        ran = await oc("secret", "set", "s", "KEY", "--allowed-hosts", "a.example.com", input=f"{VALUE}\n".encode())
        assert (ran.code, ran.out) == (0, b"Secret KEY set.\n")
        assert await value(made, "KEY") == VALUE
        lines = b"-----BEGIN KEY-----\nabc\n-----END KEY-----\n\n"
        await oc("secret", "set", "s", "KEY", "--from-stdin", input=lines)
        assert await value(made, "KEY") == lines.decode().removesuffix("\n")
        await oc("secret", "set", "s", "OTHER", "short")
        assert await value(made, "OTHER") == "short"
        assert [line.split() for line in (await oc("secret", "list", "s")).out.decode().splitlines()] == [
            ["NAME", "ALLOWED", "HOSTS"],
            ["KEY", "(all)"],
            ["OTHER", "(all)"],
        ]
        assert (await oc("secret", "delete", "s", "OTHER")).code == 0
        assert [one["name"] for one in json.loads((await oc("secret", "list", "s", "--json")).out)] == ["KEY"]

    with_oc(tmp_path, test)


def test_a_prompt_takes_a_value_and_does_not_echo_it(tmp_path: Path) -> None:
    async def test(made: Control, oc: Oc, program: Program) -> None:
        await oc("secret-store", "create", "--name", "s")
        shown = await asyncio.to_thread(typed, program, "secret", "set", "s", "KEY")
        assert "Value: " in shown
        assert "Secret KEY set." in shown
        assert VALUE not in shown
        assert await value(made, "KEY") == VALUE

    with_oc(tmp_path, test)


def typed(program: Program, *argv: str) -> str:
    """What a terminal shows on which the value is typed as soon as it is asked for."""
    ours, theirs = pty.openpty()
    command: list[str | Path] = [*DEFAULT_SIGNALS, "setsid", "--ctty", OC, *argv]
    environment = program.variables()
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as running:
        os.close(theirs)
        shown = b""
        try:
            while b"Value: " not in shown:
                shown += os.read(ours, 4096)
            os.write(ours, f"{VALUE}\n".encode())
            while data := _read(ours):
                shown += data
            assert running.wait(PATIENCE_S) == 0, shown
        finally:
            running.kill()
            os.close(ours)
    return shown.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # EIO: the other end is closed (pty(7))
        return b""


def test_what_is_refused_is_said_without_the_value(tmp_path: Path) -> None:
    async def test(_: Control, oc: Oc, __: Program) -> None:
        await oc("secret-store", "create", "--name", "s")
        for code, words, *argv in (
            (1, b"the value is empty", "secret", "set", "s", "KEY"),
            (1, b"not both", "secret", "set", "s", "KEY", VALUE, "--from-stdin"),
            (3, b"no digit first", "secret", "set", "s", "1KEY", VALUE),
            (3, b"is not a host name", "secret", "set", "s", "KEY", VALUE, "--allowed-hosts", "https://x"),
            (3, b"invalid secret store ID", "secret", "set", "none", "KEY", VALUE),
            (3, b"secret store not found", "create", "--secret-store", "none"),
        ):
            ran = await oc(*argv)
            assert (ran.code, ran.out) == (code, b""), argv
            assert words in ran.err, ran.err

    with_oc(tmp_path, test)


def test_stores_and_rules_are_chosen_at_creation_and_changed_later(tmp_path: Path) -> None:
    async def test(made: Control, oc: Oc, _: Program) -> None:
        await oc("secret-store", "create", "--name", "s")
        created = await oc(
            "create",
            "--secret-store",
            "s",
            "--allow-host",
            "pypi.org,203.0.113.0/24",
            "--allow-host",
            "*.x.org",
            "--json",
        )
        id = json.loads(created.out)["sandboxID"]
        shown = json.loads((await oc("sandbox", "egress", id, "--json")).out)
        assert (shown["allowHosts"], shown["allowCidrs"]) == (["pypi.org", "*.x.org"], ["203.0.113.0/24"])
        assert shown["secretStores"] == ["s"]
        assert b"nothing" in (await oc("sandbox", "egress", id, "--deny-all")).out
        assert b"any host, through the proxy" in (await oc("sandbox", "egress", id, "--clear")).out
        refused = (await oc("sandbox", "egress", id, "--refusals")).out.decode().splitlines()
        assert refused[1].split()[1:] == ["example.com:443", "not", "allowed"]
        assert b"s" in (await oc("sandbox", "allowed-hosts", id)).out
        checkpoint = await made.checkpoint(id)
        await oc("secret-store", "create", "--name", "top")
        fork = json.loads((await oc("checkpoint", "spawn", checkpoint, "--secret-store", "top", "--json")).out)
        hosts = json.loads((await oc("sandbox", "allowed-hosts", fork["sandboxID"], "--json")).out)
        assert (hosts["secretStore"], hosts["baseSecretStore"]) == ("top", "s")

    with_oc(tmp_path, test)


def test_the_audit_log_is_a_table_newest_first(tmp_path: Path) -> None:
    async def test(made: Control, oc: Oc, _: Program) -> None:
        id = await made.create()
        await oc("secret-store", "create", "--name", "s")
        assert (await oc("sandbox", "kill", "sb-00000000")).code == 3
        await made.plane.trail.write()
        head, *rows = (await oc("audit")).out.decode().splitlines()
        assert head.split() == ["TIME", "ACTOR", "ADDRESS", "CALL", "OBJECT", "STATUS"]
        assert [row.split()[-3] for row in rows] == ["killSandbox", "createSecretStore", "createSandbox"]
        assert rows[-1].split()[1:] == [made.key[:8], "tests", "127.0.0.1", "createSandbox", id, "201"]
        only = await oc("audit", "--object", id, "--call", "createSandbox", "--actor", "TESTS", "--since", "1h")
        assert only.out.decode().splitlines()[1:] == [only.out.decode().splitlines()[-1]]
        assert len(json.loads((await oc("audit", "--limit", "2", "--json")).out)) == 2
        assert (await oc("audit", "--object", "none")).out == b"No entries found.\n"

    with_oc(tmp_path, test)


def test_more_entries_than_a_page_has_are_fetched_page_by_page(tmp_path: Path) -> None:
    async def test(made: Control, oc: Oc, _: Program) -> None:
        org = (await made.plane.store.accounts.ensure_organization("tests")).id
        one = Entry(org_id=org, actor="a", actor_kind="key", call="c")
        await made.plane.store.audit.add([replace(one, id=str(number)) for number in range(1201)])
        found = json.loads((await oc("audit", "--limit", "2000", "--json")).out)
        assert len({entry["id"] for entry in found}) == 1201

    with_oc(tmp_path, test)
