"""The attach WebSocket over a real agent, byte for byte (contract 3.1), and what our own client may ask for."""

from __future__ import annotations

import asyncio
import hashlib
import resource
import struct
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from oc.runtime.driver import Endpoint
from oc.worker.first_readers import FirstReaders
from tests.integration.dataplane.stand import DEADLINE_S, OURS, Frames, Stand, eventually, on_stand

MB = 1 << 20


def test_history_then_its_mark_then_live_then_the_exit(agent: Endpoint, tmp_path: Path) -> None:
    go = tmp_path / "go"

    async def work(stand: Stand) -> None:
        script = f"echo old; echo bad >&2; while [ ! -e {go} ]; do sleep 0.01; done; echo new; exit 3"
        session = await stand.session("sh", "-c", script)

        async def has_written() -> bool:
            async with stand.attach(session) as websocket:
                frames = Frames(websocket)
                await frames.until(lambda: frames.count(4) == 1)
                return frames.of(1) + frames.of(2) == b"old\nbad\n"

        await eventually(has_written)
        async with stand.attach(session) as websocket:
            frames = Frames(websocket)
            await frames.until(lambda: frames.count(4) == 1)
            assert frames.seen == [b"\x01old\n", b"\x02bad\n", b"\x04"]
            go.touch()
            assert await frames.exit_code() == 3
            assert frames.seen[3:] == [b"\x01new\n", b"\x03\0\0\0\3"]
        async with stand.attach(session) as websocket:
            frames = Frames(websocket)
            assert await frames.exit_code() == 3
            assert (frames.of(1), frames.of(2), frames.count(4)) == (b"old\nnew\n", b"bad\n", 1)

    on_stand(agent, work)


def test_a_killed_process_shows_minus_one(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        session = await stand.session("sleep", "1000")
        async with stand.attach(session) as websocket:
            frames = Frames(websocket)
            await frames.until(lambda: frames.count(4) == 1)
            await stand.post(f"exec/{session}/kill", {})
            assert await frames.exit_code() == -1
            assert frames.seen[-1] == b"\x03\xff\xff\xff\xff"

    on_stand(agent, work)


@pytest.mark.parametrize("session", ["00000000", "nonsense"])
def test_an_unknown_session_is_404_before_the_upgrade(agent: Endpoint, session: str) -> None:
    async def work(stand: Stand) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await stand.attach(session)
        assert refused.value.response.status_code == 404
        assert b'"code":"not_found"' in (refused.value.response.body or b"")

    on_stand(agent, work)


def test_the_shell_of_the_published_clients(agent: Endpoint) -> None:
    """Contract 3.1, shell wire detail: markers on both outputs, state kept between commands, `exit` ends it."""

    async def command(frames: Frames, line: str, token: str) -> tuple[bytes, int]:
        begin = len(frames.of(1))
        script = (
            f"{{ {line}\n}} ; __oc_ec=$? ; printf '\\n__OC_%s_DONE__\\n' '{token}' ; "
            f"printf '\\n__OC_%s_EXIT_%d__\\n' '{token}' \"$__oc_ec\" >&2\n"
        )
        await frames.websocket.send(b"\0" + script.encode())
        done, exited = f"\n__OC_{token}_DONE__\n".encode(), f"\n__OC_{token}_EXIT_".encode()
        await frames.until(lambda: done in frames.of(1) and exited in frames.of(2) and frames.of(2).endswith(b"__\n"))
        code = frames.of(2).rpartition(exited)[2].partition(b"__")[0]
        return frames.of(1)[begin:].partition(done)[0], int(code)

    async def work(stand: Stand) -> None:
        session = await stand.session("bash", "--noprofile", "--norc", "+m")
        async with stand.attach(session) as websocket:
            frames = Frames(websocket)
            assert await command(frames, "cd /tmp; X=5", "a1") == (b"", 0)
            assert await command(frames, 'pwd; echo "$X"', "a2") == (b"/tmp\n5\n", 0)
            assert await command(frames, "(exit 9)", "a3") == (b"", 9)
            await websocket.send(b"\0exit\n")
            assert await frames.exit_code() == 0

    on_stand(agent, work)


def test_what_is_no_stdin_is_ignored(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        session = await stand.session("head", "-n", "1")
        async with stand.attach(session) as websocket:
            for message in ("text", b"\x07other", b"\0", b"", b"\0line\n"):
                await websocket.send(message)
            frames = Frames(websocket)
            assert await frames.exit_code() == 0
            assert frames.of(1) == b"line\n"

    on_stand(agent, work)


def test_every_client_sees_everything(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        session = await stand.session("cat")
        async with stand.attach(session) as one, stand.attach(session) as two:
            first, second = Frames(one), Frames(two)
            for frames in (first, second):
                await frames.until(lambda frames=frames: frames.count(4) == 1)  # type: ignore[misc]
            assert (await stand.listed(session))["attachedClients"] == 2
            await one.send(b"\0hello\n")
            for frames in (first, second):
                await frames.until(lambda frames=frames: frames.of(1) == b"hello\n")  # type: ignore[misc]

        async def all_left() -> bool:
            return bool((await stand.listed(session))["attachedClients"] == 0)

        await eventually(all_left)
        assert (await stand.listed(session))["running"]

    on_stand(agent, work)


def test_a_slow_reader_loses_nothing_and_costs_no_memory(agent: Endpoint) -> None:
    size = 50 * MB

    async def work(stand: Stand) -> None:
        before = memory()
        session = await stand.session("sh", "-c", f"read go; head -c {size} /dev/zero | tr '\\0' a")
        async with stand.attach(session) as websocket:
            await websocket.send(b"\0go\n")

            async def is_held() -> bool:
                """The writer stands still although it has more: nobody reads here."""
                so_far = await written(stand, session)
                await asyncio.sleep(0.2)
                return 0 < so_far == await written(stand, session)

            await eventually(is_held)
            assert await written(stand, session) < size / 4
            assert memory() - before < 20 * MB
            seen, digest = 0, hashlib.sha256()
            async for frame in websocket:
                assert isinstance(frame, bytes)
                assert len(frame) <= 64 * 1024 + 1
                if frame[:1] == b"\1":
                    seen += len(frame) - 1
                    digest.update(frame[1:])
            assert (seen, digest.digest()) == (size, hashlib.sha256(b"a" * size).digest())

    on_stand(agent, work)


async def written(stand: Stand, session: str) -> int:
    link = await stand.links.link("sb-0123abcd")
    return next(row.written for row in await link.sessions() if row.session == session)


def memory() -> int:
    """Bytes of this process in memory: client, routes and link live in it."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_what_a_session_writes_before_its_first_client_is_kept(
    agent: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FirstReaders.__init__, "__defaults__", (DEADLINE_S,))

    async def work(stand: Stand) -> None:
        session = await stand.session("seq", "1", "1000000")

        async def is_held() -> bool:
            before = await written(stand, session)
            await asyncio.sleep(0.1)
            return 0 < before == await written(stand, session)

        await eventually(is_held)
        assert (await stand.listed(session))["attachedClients"] == 0
        async with stand.attach(session) as websocket:
            frames = Frames(websocket)
            assert await frames.exit_code() == 0
            assert frames.of(1) == b"".join(b"%d\n" % number for number in range(1, 1_000_001))

    on_stand(agent, work)


def test_our_client_can_close_stdin(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        session = await stand.session("wc", "-c")
        async with stand.attach(session, headers=OURS) as websocket:
            for _ in range(40):
                await websocket.send(b"\0" + bytes(50_000))
            await websocket.send(b"\0")
            frames = Frames(websocket)
            assert await frames.exit_code() == 0
            assert frames.of(1).strip() == b"2000000"
            assert frames.seen[0] == struct.pack("!BQQ", 5, 0, 0)
            taken = [int.from_bytes(frame[1:], "big") for frame in frames.seen if frame[0] == 6]
            assert taken
            assert taken == sorted(set(taken))
            assert taken[-1] <= 2_000_000

    on_stand(agent, work)


@pytest.mark.parametrize("query", ["?reader=XYZ", "?reader=ab&offset=-1"])
def test_a_bad_place_is_refused_before_the_upgrade(agent: Endpoint, query: str) -> None:
    async def work(stand: Stand) -> None:
        session = await stand.session("cat")
        with pytest.raises(InvalidStatus) as refused:
            await stand.attach(session, query, OURS)
        assert refused.value.response.status_code == 400

    on_stand(agent, work)


class Returning:
    """Our client as its contract has it: it comes back where it was, and sends again what was not taken."""

    def __init__(self, stand: Stand, session: str, stdin: bytes) -> None:
        self.stand = stand
        self.session = session
        self.stdin = stdin
        self.output = b""
        self.exited = False

    async def attach(self, most: int) -> None:
        """Stays for about `most` bytes of output more, then is cut off without a word."""
        query = f"?reader=abc123&acks=1&offset={len(self.output)}"
        async with self.stand.attach(self.session, query, OURS) as websocket:
            first = await websocket.recv()
            assert isinstance(first, bytes)
            tag, offset, taken = struct.unpack("!BQQ", first)
            assert (tag, offset) == (5, len(self.output))
            sending = asyncio.ensure_future(self.send(websocket, taken))
            try:
                await self.receive(websocket, len(self.output) + most)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)  # it may have met the cut
            if not self.exited:
                websocket.transport.abort()

    async def send(self, websocket: ClientConnection, taken: int) -> None:
        for at in range(taken, len(self.stdin), 30_000):
            await websocket.send(b"\0" + self.stdin[at : at + 30_000])
        await websocket.send(b"\0")

    async def receive(self, websocket: ClientConnection, until: int) -> None:
        async for frame in websocket:
            assert isinstance(frame, bytes)
            if frame[:1] == b"\1":
                self.output += frame[1:]
                await websocket.send(struct.pack("!BQ", 7, len(self.output)))
            self.exited = self.exited or frame[:1] == b"\3"
            if len(self.output) >= until and not self.exited:
                return


def test_a_reader_that_comes_back_misses_nothing_and_repeats_nothing(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        stdin = b"".join(b"%d\n" % number for number in range(400_000))
        client = Returning(stand, await stand.session("cat"), stdin)
        for _ in range(6):
            await client.attach(300_000)
        await client.attach(len(stdin))
        assert client.exited
        assert hashlib.sha256(client.output).digest() == hashlib.sha256(stdin).digest()

    on_stand(agent, work)


def test_a_client_that_says_goodbye_gives_up_its_place(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        session = await stand.session("sh", "-c", "read go; head -c 20000000 /dev/zero; echo end >&2")
        async with stand.attach(session, "?reader=ab12", OURS) as websocket:
            await websocket.send(b"\0go\n")
            await websocket.recv()

        async def has_ended() -> bool:
            return not (await stand.listed(session))["running"]

        await eventually(has_ended)  # a kept place would hold the writer

    on_stand(agent, work)


def test_a_lost_sandbox_closes_without_an_exit(agent: Endpoint) -> None:
    async def work(stand: Stand) -> None:
        session = await stand.session("sleep", "1000")
        async with stand.attach(session) as websocket:
            frames = Frames(websocket)
            await frames.until(lambda: frames.count(4) == 1)
            await stand.links.close()
            await websocket.wait_closed()
            assert (websocket.close_code, frames.count(3)) == (1011, 0)

    on_stand(agent, work)
