"""Attaching, finding again and removing: whatever was killed, the kernel's state is what counts."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from ipaddress import IPv4Network

import pytest

from oc.host import link, netns, nft
from oc.host.process import run
from oc.model.errors import Unavailable
from oc.settings import Settings
from oc.worker import firewall
from oc.worker.network import Network

IDS = [f"sb-0000000{n}" for n in range(6)]


def test_each_has_its_own_address_and_leaves_nothing(network: Network, settings: Settings) -> None:
    async def work() -> None:
        await network.open()
        try:
            attached = await asyncio.gather(*(network.attach(id) for id in IDS))
            assert len({each.address for each in attached}) == len(IDS)
            assert await network.present() == set(IDS)
            for id, each in zip(IDS, attached, strict=True):
                assert await network.address(id) == each.address
            again = await network.attach(IDS[0])
            assert again.address not in {each.address for each in attached}
            await asyncio.gather(*(network.detach(id) for id in IDS))
            await network.detach(IDS[0])
            assert await network.present() == set()
            assert await network.address(IDS[0]) is None
            assert link.aliases(f"{settings.instance}-") == {}
            assert (await run("ip", "route", "show", "root", str(settings.network))).out == b""
        finally:
            await network.close()

    asyncio.run(work())


def test_a_full_network_says_so(settings: Settings) -> None:
    network = Network(settings)
    network._slots = 2

    async def work() -> None:
        try:
            await asyncio.gather(network.attach(IDS[0]), network.attach(IDS[1]))
            with pytest.raises(Unavailable, match="all 2 addresses"):
                await network.attach(IDS[2])
            assert await network.present() == set(IDS[:2])
            await network.detach(IDS[0])
            await network.attach(IDS[2])
        finally:
            await network.clear()

    asyncio.run(work())


KILLED = """
import asyncio, sys, time
from ipaddress import IPv4Network
from pathlib import Path
from oc.settings import Settings
from oc.worker.network import Network

async def main():
    network = Network(Settings(instance=sys.argv[1], network=IPv4Network(sys.argv[2]), run_dir=Path(sys.argv[3])))
    await network.open()
    print((await network.attach(sys.argv[4])).address, flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


def test_what_a_killed_worker_had_is_found_again(network: Network, settings: Settings) -> None:
    command = [
        sys.executable,
        "-c",
        KILLED,
        settings.instance,
        str(settings.network),
        str(settings.run_dir),
        IDS[0],
    ]
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": ":".join(filter(None, sys.path))}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        address = worker.stdout.readline().strip()
        worker.send_signal(signal.SIGKILL)

    async def work() -> None:
        await network.open()
        try:
            assert await network.present() == {IDS[0]}
            assert await network.address(IDS[0]) == address
            assert (await network.attach(IDS[1])).address != address
            await network.open()
        finally:
            await network.close()

    asyncio.run(work())


def test_what_was_half_made_is_found_or_swept(network: Network, settings: Settings) -> None:
    """As after a kill between any two steps of an attachment."""
    prefix = f"{settings.instance}-"
    (netns.DIRECTORY / f"{prefix}{IDS[0]}").touch()
    half = netns.create(f"{prefix}{IDS[1]}")
    cable = link.Cable(f"{prefix}7", "", half, str(settings.network[1]), str(settings.network[9]), 24, 1500)
    link.connect(cable)

    async def work() -> None:
        assert await network.present() == set(IDS[:2])
        await network.open()
        try:
            assert link.aliases(prefix) == {}
            await network.attach(IDS[0])
            await network.detach(IDS[1])
            assert await network.present() == {IDS[0]}
        finally:
            await network.close()

    asyncio.run(work())


def test_the_filter_is_replaced_and_removed(network: Network, settings: Settings) -> None:
    name = firewall.table(settings.instance)

    async def tables() -> int:
        return (await run("nft", "list", "tables")).out.decode().splitlines().count(f"table inet {name}")

    async def work() -> None:
        await nft.replace(name, "chain stale { }")
        await network.open()
        await network.close()
        listed = (await run("nft", "list", "table", "inet", name)).out.decode()
        assert "stale" not in listed
        assert await tables() == 1
        await network.clear()
        await network.clear()
        assert await tables() == 0

    asyncio.run(work())


def test_rules_hold_for_every_size_of_network() -> None:
    for text in ("10.201.0.0/16", "192.168.7.0/24"):
        network = IPv4Network(text)
        rules = firewall.rules("oc", network)
        assert f"ip saddr {network} " in rules
        assert f"ip daddr {network[1]} udp dport 53" in rules
        assert "$" not in rules
