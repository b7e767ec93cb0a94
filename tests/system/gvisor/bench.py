"""A driver with all that it stands on, for one test: real disks, real network, real runsc, our agent."""

from __future__ import annotations

import asyncio
import fcntl
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path

from oc.host import cgroup
from oc.model.ids import new_sandbox, new_session
from oc.runtime.driver import Endpoint, Launch
from oc.runtime.gvisor.driver import GvisorDriver
from oc.settings import Settings
from oc.wire.messages import TOKEN_BYTES, Configure, Output, Start
from oc.worker.agent.link import Link
from oc.worker.disks import Disks
from oc.worker.images import Images
from oc.worker.network import Network
from tests.system.base import BUILD, DISK_MB

PATIENCE_S = 60.0


@contextmanager
def _slot() -> Iterator[Settings]:
    """Names on the host that no other test has at the same time, of this session or another."""
    for number in range(16):
        with (BUILD / f"gvisor-{number}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield _settings(number)
            return
    raise AssertionError("all slots are taken")


def _settings(number: int) -> Settings:
    return Settings(
        data_dir=BUILD / "pool" / "gvisor" / f"g{number}",
        run_dir=Path(f"/run/opencomputer-g{number}"),
        instance=f"g{number}",
        network=IPv4Network(f"10.{200 + number}.128.0/24"),
        disk_reserve_mb=512,
    )


@dataclass
class Bench:
    images: Images
    settings: Settings

    def __post_init__(self) -> None:
        (self.settings.data_dir / "pool").mkdir(parents=True, exist_ok=True)
        self.driver = self.new_driver()
        self.disks = Disks(self.settings, self.images)
        self.network = Network(self.settings)

    def new_driver(self) -> GvisorDriver:
        """What a worker that has just been started has."""
        return GvisorDriver(self.settings.run_dir, self.settings.instance)

    async def launch(self, memory_mb: int = 512, cpus: float = 1.0) -> Launch:
        """Everything that a sandbox needs before it starts."""
        id = new_sandbox()
        await self.disks.create(id, "base", DISK_MB)
        root = await self.disks.mount(id)
        attached = await self.network.attach(id)
        token = secrets.token_bytes(TOKEN_BYTES)
        return Launch(id, root, str(attached.netns), attached.address, token, cpus, memory_mb)

    async def moved(self, launch: Launch, memory: Path) -> Launch:
        """The same sandbox about to be resumed, elsewhere in the network: gVisor has used up its namespace."""
        attached = await self.network.attach(launch.id)
        return replace(launch, netns=str(attached.netns), address=attached.address, memory=memory)

    async def clear(self) -> None:
        """Also what a killed test left in this slot."""
        parts = (self.driver.running(), self.network.present(), self.disks.mounted(), self.disks.present())
        for id in set().union(*await asyncio.gather(*parts)):
            await self.driver.remove(id)
            await self.network.detach(id)
            await self.disks.unmount(id)
            await self.disks.delete(id)


@asynccontextmanager
async def bench(images: Images) -> AsyncIterator[Bench]:
    """Nothing of it outlives the block, whatever happens in it."""
    with _slot() as settings:
        made = Bench(images, settings)
        try:
            await made.clear()
            await made.network.open()
            yield made
        finally:
            await made.clear()
            await made.network.close()
            await made.network.clear()
            await cgroup.remove_all(settings.instance)
            for directory in (settings.run_dir, settings.data_dir):
                shutil.rmtree(directory, ignore_errors=not directory.exists())


@asynccontextmanager
async def linked(endpoint: Endpoint) -> AsyncIterator[Link]:
    """A link to a sandbox's agent, configured as after a start."""
    link = await Link.open(endpoint, PATIENCE_S)
    try:
        await link.configure(Configure(0, secrets.token_bytes(64), "sandbox", b"", ()))
        yield link
    finally:
        await link.close()


async def sh(link: Link, script: str) -> str:
    """What a shell script prints, once it has ended."""
    output = b""
    async with await link.launch(_start(script)) as attachment:
        async for item in attachment:
            if isinstance(item, Output):
                output += item.data
    return output.decode()


async def spawn(link: Link, script: str) -> None:
    """A shell script that goes on by itself."""
    await link.start(_start(script))


def _start(script: str) -> Start:
    return Start(new_session(), ("sh", "-c", script), (), "", "", 0, 24, 80, 0, 0, 0)
