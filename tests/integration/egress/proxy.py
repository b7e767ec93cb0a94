"""The proxy as a process, and sandboxes as loopback addresses."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import select
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.egress.certificates import Authority
from tests.integration.egress.origin import read_chunks, read_head

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv-egress" / "bin" / "python"
DEADLINE = 60.0
ORIGIN, SECOND, PRIVATE = "127.0.1.1", "127.0.1.2", "127.0.2.1"  # of origin servers; the last is in nobody's allowCidrs
HOSTS = {
    ORIGIN: "api.test other.test deep.api.test www.evil.example xn--bcher-kva.test",
    PRIVATE: "private.test",
}
PLACEHOLDER = "osb_sealed_0123456789abcdef0123456789abcdef"
VALUE = "plain+text/of=the secret"


@dataclass
class Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> bytes | None:
        return next((value for key, value in self.headers if key.lower() == name.lower().encode()), None)


@dataclass
class Stream:
    """A connection through the proxy."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, head: bytes, body: bytes = b"") -> Answer:
        self.writer.write(head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + body)
        return await self.answer(no_body=head.startswith(b"HEAD"))

    async def answer(self, *, no_body: bool = False) -> Answer:
        async with asyncio.timeout(DEADLINE):
            line, headers = await read_head(self.reader)
            answer = Answer(int(line.split()[1]), headers, b"")
            if no_body or answer.status in (204, 304):
                return answer
            if (answer.header("transfer-encoding") or b"") == b"chunked":
                answer.body = await read_chunks(self.reader)
            elif (length := answer.header("content-length")) is not None:
                answer.body = await self.reader.readexactly(int(length))
            elif answer.status != 101:
                answer.body = await self.reader.read()
            return answer

    async def tls(self, name: str | None, trust: Path, protocols: tuple[str, ...] = ("http/1.1",)) -> None:
        context = ssl.create_default_context(cafile=str(trust))
        context.check_hostname = name is not None
        context.set_alpn_protocols(list(protocols))
        async with asyncio.timeout(DEADLINE):
            await self.writer.start_tls(context, server_hostname=name)

    async def ended(self) -> bytes:
        """What still came until the end."""
        async with asyncio.timeout(DEADLINE):
            try:
                return await self.reader.read()
            except OSError:
                return b""

    def close(self) -> None:
        self.writer.transport.abort()


@dataclass
class Sandbox:
    proxy: Proxy
    address: str
    policy: dict[str, Any]

    def write(self, **changes: object) -> None:
        """The policy, changed."""
        self.policy |= changes
        self.proxy.write(f"{self.address}.json", self.policy)

    def pin(self, pins: Mapping[str, list[str]]) -> None:
        self.proxy.write(f"{self.address}.pins.json", pins)

    async def dial(self) -> Stream:
        """The explicit proxy."""
        reader, writer = await asyncio.open_connection(*self.proxy.explicit, local_addr=(self.address, 0))
        return Stream(reader, writer)

    async def connect(self, authority: str) -> tuple[Stream, Answer]:
        """CONNECT, and the answer to it."""
        stream = await self.dial()
        stream.writer.write(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode("latin-1"))
        async with asyncio.timeout(DEADLINE):
            line, headers = await read_head(stream.reader)
            status = int(line.split()[1])
            return stream, Answer(status, headers, b"" if status == 200 else await stream.reader.read())

    async def tunnel(self, authority: str) -> Stream:
        stream, answer = await self.connect(authority)
        assert answer.status == 200, answer
        return stream

    async def https(
        self, name: str, port: int, *, protocols: tuple[str, ...] = ("http/1.1",), trust: Path | None = None
    ) -> Stream:
        stream = await self.tunnel(f"{name}:{port}")
        await stream.tls(name, trust or self.proxy.ca, protocols)
        return stream


@dataclass
class Proxy:
    directory: Path
    authority: Authority
    explicit: tuple[str, int] = ("", 0)
    transparent: tuple[str, int] = ("", 0)
    addresses: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        self.policies = self.directory / "egress"
        self.policies.mkdir()
        self.log = self.directory / "log"
        (self.directory / "hosts").write_text("".join(f"{address} {names}\n" for address, names in HOSTS.items()))
        self.events = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.events.bind(str(self.directory / "events.sock"))
        for number in range(1, 250):
            self.addresses.put(f"127.0.7.{number}")

    @property
    def ca(self) -> Path:
        return self.directory / "state" / "ca.crt"

    def start(self, *before: str) -> None:
        """`before`: a program that starts it, in another network namespace for instance."""
        options = {
            "directory": self.policies,
            "events": self.directory / "events.sock",
            "state": self.directory / "state",
            "explicit": "127.0.0.1:0",
            "transparent": "127.0.0.1:0",
            "upstream-ca": self.authority.file,
            "hosts": self.directory / "hosts",
            "private": "127.0.0.0/8",  # what policies may open; each test's policy says which
        }
        argv: list[str | Path] = [*before, PYTHON, "-m", "oc.egress"]
        argv += [f"--{name}={value}" for name, value in options.items()]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stderr=log, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}
            )
        ready = self.until_ready()
        self.explicit, self.transparent = (endpoint(ready[name]) for name in ("explicit", "transparent"))

    def until_ready(self) -> dict[str, str]:
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end and self.process.poll() is None:
            for line in self.said():
                if line["event"] == "ready":
                    return line
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def said(self) -> list[dict[str, Any]]:
        """Whole lines of the log, all of them JSON."""
        text = self.log.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(DEADLINE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)
        self.events.close()

    def write(self, name: str, body: object) -> None:
        temporary = self.directory / f"{name}.new"
        temporary.write_text(json.dumps(body))
        temporary.rename(self.policies / name)

    def sandbox(self, **policy: object) -> Sandbox:
        """One of its own address; may reach *.test and the origins, and has no secrets."""
        while select.select([self.events], [], [], 0)[0]:
            self.events.recv(65536)  # of earlier tests; a queue of ten is full soon
        address = self.addresses.get_nowait()
        body = {"sandbox": f"sb-{address}", "denyAll": False, "allowHosts": ["*.test"]}
        body |= {"allowCidrs": ["127.0.1.0/24"], "secrets": []}
        made = Sandbox(self, address, body | policy)
        made.write()
        return made

    def holder(self, hosts: tuple[str, ...] = (), value: str = VALUE, **policy: object) -> Sandbox:
        """A sandbox with one secret."""
        secret = {"name": "KEY", "placeholder": PLACEHOLDER, "value": value, "hosts": hosts}
        return self.sandbox(secrets=[secret], **policy)

    def event(self, sandbox: Sandbox) -> dict[str, Any]:
        """The next refusal of this sandbox."""
        end = time.monotonic() + DEADLINE
        while (left := end - time.monotonic()) > 0 and select.select([self.events], [], [], left)[0]:
            event: dict[str, Any] = json.loads(self.events.recv(65536))
            if event["address"] == sandbox.address:
                return event
        raise AssertionError("no event came")

    def memory(self) -> int:
        """Resident, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) // 1024


def endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)
