"""Terminals over a real agent (contract 2.8, 3.2), and what our own client may ask for."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from oc.runtime.driver import Endpoint
from oc.worker import pty, pty_request
from tests.integration.dataplane.stand import DEADLINE_S, ID, OURS, Frames, Stand, eventually, on_stand

PLAIN = {"PS1": "$ ", "HISTFILE": "/dev/null"}


async def terminal(stand: Stand, **fields: Any) -> str:
    answer = await stand.post("pty", {"shell": "/bin/sh", "envs": PLAIN, **fields})
    assert answer.status_code == 201, answer.text
    assert answer.json().keys() == {"sessionID", "sandboxID"}
    session: str = answer.json()["sessionID"]
    return session


def attach(stand: Stand, session: str, query: str = "", headers: dict[str, str] | None = None) -> connect:
    uri = f"ws://worker/sandboxes/{ID}/pty/{session}{query}"
    return unix_connect(str(stand.socket), uri, additional_headers=headers, compression=None, open_timeout=DEADLINE_S)


class Screen:
    """What an attached client has been sent, as it came."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.seen = b""

    async def until(self, enough: Callable[[bytes], bool]) -> None:
        while not enough(self.seen):
            message = await self.websocket.recv()
            assert isinstance(message, bytes)
            self.seen += message

    async def shows(self, text: bytes) -> None:
        await self.until(lambda seen: text in seen)

    async def close_code(self) -> int | None:
        async for message in self.websocket:
            assert isinstance(message, bytes)
            self.seen += message
        return self.websocket.close_code


def test_a_shell_talks_and_its_exit_closes(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        session = await terminal(stand, cols=100, rows=40, cwd="/tmp", envs={**PLAIN, "MINE": "yes"})
        async with attach(stand, session) as websocket:
            screen = Screen(websocket)
            await screen.shows(b"$ ")
            await websocket.send("stty size; tty; echo $TERM $MINE ${COLUMNS-none} $PWD gr\u00fc\u00df; exit 7\r")
            assert await screen.close_code() == 1000
        assert b"\r\n40 100\r\n/dev/pts/" in screen.seen
        assert "xterm-256color yes none /tmp gr\u00fc\u00df\r\n".encode() in screen.seen

    on_stand(agent, work)


def test_the_default_shell_is_the_first_that_is_there(agent: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pty_request, "SHELLS", ("/nowhere/bash", "/bin/sh"))

    async def work(stand: Stand) -> None:
        session = await terminal(stand, shell=None)
        async with attach(stand, session) as websocket:
            await websocket.send(b"echo $((6*7))\r")
            await Screen(websocket).shows(b"\r\n42\r\n")

    on_stand(agent, work)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("pty", {"cols": 0}, "cols must be a whole number from 1 to 1000, not 0"),
        ("pty", {"rows": 1001}, "rows must be a whole number from 1 to 1000, not 1001"),
        ("pty", {"rows": "24"}, "rows: expected `int | null`"),
        ("pty", {"shell": "bash"}, "shell must be an absolute path"),
        ("pty", {"shell": "/nowhere/zsh"}, "cannot run /nowhere/zsh: No such file"),
        ("pty", {"cwd": "/nowhere"}, "cannot enter directory /nowhere: No such file"),
        ("pty", {"cwd": "tmp"}, "cwd must be an absolute path"),
        ("pty", {"user": "no one"}, "user: "),
        ("pty", {"envs": {"A=B": "c"}}, "envs: 'A=B'"),
        ("pty/00000000/resize", {"cols": 80}, "rows must be a whole number from 1 to 1000, not nothing"),
    ],
)
def test_what_is_wrong_is_named(agent: Endpoint, path: str, body: dict[str, Any], words: str) -> None:
    async def work(stand: Stand) -> None:
        answer = await stand.post(path, body)
        assert answer.status_code == 400
        assert words in answer.json()["error"]

    on_stand(agent, work)


def test_a_program_notices_a_resize(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        session = await terminal(stand)
        async with attach(stand, session) as websocket:
            screen = Screen(websocket)
            await websocket.send(b'sh -c \'trap "stty size" WINCH; echo wai""ting; while :; do sleep 0.05; done\'\r')
            await screen.shows(b"waiting")
            answer = await stand.post(f"pty/{session}/resize", {"cols": 132, "rows": 50})
            assert (answer.status_code, answer.content) == (200, b"")
            await screen.shows(b"50 132")

    on_stand(agent, work)


def test_an_interrupt_and_an_end_of_input_are_bytes(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        session = await terminal(stand)
        async with attach(stand, session) as websocket:
            screen = Screen(websocket)
            await websocket.send(b"sh -c 'echo wai\"\"ting; exec sleep 1000'\r")
            await screen.shows(b"waiting")
            await websocket.send(b"\3")
            await websocket.send(b"echo code=$?\r")
            await screen.shows(b"code=130")
            await websocket.send(b"")  # not an end
            await websocket.send(b"\4")
            assert await screen.close_code() == 1000

    on_stand(agent, work)


def test_clients_share_a_terminal_and_may_leave_it(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        session = await terminal(stand)
        async with attach(stand, session) as one:
            await Screen(one).shows(b"$ ")
            async with attach(stand, session) as two:
                second = Screen(two)
                await one.send(b"echo $((1+1))shared\r")
                await Screen(one).shows(b"2shared\r\n$ ")
                await second.shows(b"2shared\r\n$ ")
        async with attach(stand, session) as three:
            third = Screen(three)
            await three.send(b"echo $((2+2))later\r")
            await third.shows(b"4later")
            assert b"shared" not in third.seen, "it was read before"

    on_stand(agent, work)


def test_what_was_written_while_nobody_was_there_is_read_first(agent: Endpoint, tmp_path: Path) -> None:
    go, done = tmp_path / "go", tmp_path / "done"

    async def work(stand: Stand) -> None:
        session = await terminal(stand)
        async with attach(stand, session) as websocket:
            await websocket.send(f"while [ ! -e {go} ]; do sleep 0.05; done; echo mean''while; touch {done}\r".encode())
            await Screen(websocket).shows(b"touch")
        go.touch()
        await eventually(lambda: _exists(done))
        async with attach(stand, session) as websocket:
            await Screen(websocket).shows(b"meanwhile")

    on_stand(agent, work)


async def _exists(path: Path) -> bool:
    return path.exists()


def test_a_slow_client_holds_the_others_and_gets_all(agent: Endpoint) -> None:
    size = 8_000_000

    async def work(stand: Stand) -> None:
        session = await terminal(stand)
        async with attach(stand, session) as slow, attach(stand, session) as quick:
            await quick.send(f"stty -echo -onlcr; echo st''art; head -c {size} /dev/zero | tr '\\0' a; exit\r".encode())
            screens = Screen(quick), Screen(slow)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await screens[0].close_code()
            assert await asyncio.gather(*(screen.close_code() for screen in screens)) == [1000, 1000]
            for screen in screens:
                written = screen.seen.partition(b"start\n")[2]
                assert hashlib.sha256(written).digest() == hashlib.sha256(b"a" * size).digest()

    on_stand(agent, work)


def test_a_deleted_terminal_closes_and_is_gone(
    agent: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pty, "HANGUP_S", DEADLINE_S)
    hung_up = tmp_path / "hung-up"

    async def work(stand: Stand) -> None:
        session = await terminal(stand)
        async with attach(stand, session) as websocket, attach(stand, session, headers=OURS) as ours:
            screen = Screen(websocket)
            script = f'trap "touch {hung_up}; exit" HUP; echo rea""dy; while :; do sleep 0.05; done'
            await websocket.send(f"exec sh -c '{script}'\r".encode())
            await screen.shows(b"ready")
            assert (await stand.http.delete(f"/sandboxes/{ID}/pty/{session}")).status_code == 204
            assert await screen.close_code() == 1000
            await ours.wait_closed()
            assert ours.close_code == 1000
        assert hung_up.exists()
        assert (await stand.http.delete(f"/sandboxes/{ID}/pty/{session}")).status_code == 404
        assert (await stand.get("pty")).json() == []

    on_stand(agent, work)


def test_a_shell_that_ignores_the_hangup_is_killed(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        session = await terminal(stand)
        async with attach(stand, session) as websocket:
            screen = Screen(websocket)
            await websocket.send(b"trap '' HUP; echo rea''dy\r")
            await screen.shows(b"ready")
            assert (await stand.http.delete(f"/sandboxes/{ID}/pty/{session}")).status_code == 204
            assert await screen.close_code() == 1000

    on_stand(agent, work)


def test_terminals_and_exec_sessions_are_kept_apart(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        session, command = await terminal(stand), await stand.session("sleep", "1000")
        assert [row["sessionID"] for row in (await stand.get("exec")).json()] == [command]
        (listed,) = (await stand.get("pty")).json()
        assert (listed["sessionID"], listed["sandboxID"], listed["shell"]) == (session, ID, "/bin/sh")
        assert listed["attachedClients"] == 0
        for unknown in (command, "00000000", "nonsense"):
            assert (await stand.http.delete(f"/sandboxes/{ID}/pty/{unknown}")).status_code == 404
            assert (await stand.post(f"pty/{unknown}/resize", {"cols": 80, "rows": 24})).status_code == 404
            for headers in ({}, OURS):
                with pytest.raises(InvalidStatus) as refused:
                    await attach(stand, unknown, headers=headers)
                assert refused.value.response.status_code == 404
        assert (await stand.get(f"pty/{session}")).status_code == 400

    on_stand(agent, work)


def test_our_client_goes_on_at_the_very_byte_and_learns_the_exit_code(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        session = await terminal(stand)
        seen = b""
        for count in range(4):
            query = f"?reader=abc123&acks=1&offset={len(seen)}"
            async with attach(stand, session, query, OURS) as websocket:
                frames = Frames(websocket)
                await frames.until(lambda frames=frames: frames.count(5) == 1)  # type: ignore[misc]
                assert struct.unpack("!Q", frames.of(5)[:8])[0] == len(seen)
                await websocket.send(f"\0echo $((100+{count}))\r".encode())
                await frames.until(lambda frames=frames, sum=b"%d\r\n$ " % (100 + count): sum in frames.of(1))  # type: ignore[misc]
                seen += frames.of(1)
                await websocket.send(struct.pack("!BQ", 7, len(seen)))
                websocket.transport.abort()
                with pytest.raises(ConnectionClosed):
                    await websocket.recv()
        async with attach(stand, session, headers=OURS) as websocket:
            frames = Frames(websocket)
            await frames.until(lambda: frames.count(4) == 1)
            assert frames.of(1) == seen, "the screen again"
            await websocket.send(b"\0exit 3\r")
            assert await frames.exit_code() == 3

    on_stand(agent, work)
