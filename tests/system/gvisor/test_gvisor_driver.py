"""What every driver promises, kept by real sandboxes under runsc."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from oc.host import cgroup
from oc.model.errors import Conflict, Failed
from oc.runtime.driver import Death, Launch
from oc.runtime.gvisor import death
from oc.worker.images import Images
from tests.system.gvisor.bench import PATIENCE_S, Bench, bench, linked, sh, spawn


def pids(at: Bench, id: str) -> set[int]:
    return cgroup.Cgroup(at.settings.instance, id).processes()


def sentry(at: Bench, id: str) -> int:
    return int((at.settings.run_dir / "bundles" / id / "pid").read_text())


def cpu_ticks(found: set[int]) -> int:
    """User and system time of processes (proc_pid_stat(5), fields 14 and 15)."""
    stats = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in found)
    return sum(int(stat[11]) + int(stat[12]) for stat in stats)


async def died(at: Bench, id: str) -> Death:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if seen := await at.driver.alive(id):
                return seen
            await asyncio.sleep(0.05)


async def nothing_left(at: Bench, id: str) -> None:
    assert id not in await at.driver.running()
    assert not pids(at, id)
    assert not list((at.settings.run_dir / "runsc").glob(f"*{id}*"))
    assert not (at.settings.run_dir / "bundles" / id).exists()


def test_a_started_sandbox_answers_and_a_removed_one_leaves_nothing(images: Images) -> None:
    """Inside it is the machine that was asked for; outside nobody can read its token."""

    async def work() -> None:
        async with bench(images) as at:
            launch = await at.launch(memory_mb=512)
            async with linked(await at.driver.start(launch)) as link:
                told = await sh(
                    link, "id -u; hostname; nproc; grep MemTotal /proc/meminfo; df -m / | tail -1; touch /tmp/x"
                )
                assert await at.driver.alive(launch.id) is None
                check_inside(told)
                check_outside(at, launch)
            await at.driver.remove(launch.id)
            await nothing_left(at, launch.id)
            await at.driver.remove(launch.id)

    asyncio.run(work())


def check_inside(told: str) -> None:
    uid, hostname, cpus, memory, disk = told.splitlines()
    assert (uid, hostname) == ("0", "sandbox")
    assert int(cpus) == 2  # gVisor's least
    assert memory.split()[1] == str(512 << 10)
    assert 3500 < int(disk.split()[1]) <= 4096


def check_outside(at: Bench, launch: Launch) -> None:
    config = at.settings.run_dir / "bundles" / launch.id / "config.json"
    assert config.stat().st_mode & 0o777 == 0o600
    assert config.parent.stat().st_mode & 0o777 == 0o700
    assert not (launch.root / "tmp" / "x").exists(), "/tmp is not memory"
    for pid in pids(at, launch.id):
        process = Path(f"/proc/{pid}")
        assert launch.token.hex().encode() not in (process / "cmdline").read_bytes()
        assert "NoNewPrivs:\t1" in (process / "status").read_text()
    status = Path(f"/proc/{sentry(at, launch.id)}/status").read_text()
    assert "CapEff:\t0000000000000000" in status


def test_what_runs_goes_on_after_save_and_resume(images: Images, tmp_path: Path) -> None:
    """Memory, processes and files are as they were, though the address is another one."""

    async def work() -> None:
        async with bench(images) as at:
            launch = await at.launch()
            async with linked(await at.driver.start(launch)) as link:
                await spawn(
                    link, "echo $$ >/root/pid; while :; do n=$((n+1)); echo $n >/root/new; mv /root/new /root/n; done"
                )
                await sh(link, "until [ -s /root/n ]; do sleep 0.01; done")
            await at.driver.pause(launch.id)
            await at.driver.save(launch.id, tmp_path / "memory")
            await at.driver.remove(launch.id)
            count, pid = (int((launch.root / "root" / name).read_text()) for name in ("n", "pid"))
            moved = await at.moved(launch, tmp_path / "memory")
            assert moved.address != launch.address
            async with linked(await at.driver.start(moved)) as link:
                await sh(link, f"until [ $(cat /root/n) -gt {count} ]; do sleep 0.01; done")
                assert await sh(link, f"kill -9 {pid} && echo it was there") == "it was there\n"

    asyncio.run(work())


def test_a_sandbox_goes_on_after_it_was_saved_and_after_that_failed(images: Images, tmp_path: Path) -> None:
    """gVisor cannot save a file of the disk that is open but has no name any more."""

    async def work() -> None:
        async with bench(images) as at:
            launch = await at.launch()
            await at.driver.start(launch)
            await save_and_resume(at, launch, tmp_path / "first")
            async with linked(await at.driver.endpoint(launch)) as link:
                await spawn(link, "exec 3>/root/x; rm /root/x; touch /root/ready; exec sleep 999")
                await sh(link, "until [ -e /root/ready ]; do sleep 0.01; done")
            with pytest.raises(Failed, match="deleted"):
                await save_and_resume(at, launch, tmp_path / "second")
            assert not (tmp_path / "second").exists()
            async with linked(await at.driver.endpoint(launch)) as link:
                await link.ping()

    asyncio.run(work())


async def save_and_resume(at: Bench, launch: Launch, into: Path) -> None:
    await at.driver.pause(launch.id)
    try:
        await at.driver.save(launch.id, into)
    finally:
        await at.driver.resume(launch.id)


def test_a_frozen_sandbox_takes_no_cpu_time_until_it_is_thawed(images: Images) -> None:
    async def work() -> None:
        async with bench(images) as at:
            launch = await at.launch()
            async with linked(await at.driver.start(launch)) as link:
                await spawn(link, "while :; do :; done")
                await at.driver.freeze(launch.id)
                found = pids(at, launch.id)
                before = cpu_ticks(found)
                await asyncio.sleep(0.5)  # for a busy loop to be seen in
                assert cpu_ticks(found) == before
                assert await at.driver.alive(launch.id) is None
                await at.driver.thaw(launch.id)
                await link.ping()
                await at.driver.freeze(launch.id)
            await at.driver.remove(launch.id)
            await nothing_left(at, launch.id)

    asyncio.run(work())


def test_the_reason_of_a_death_is_told(images: Images) -> None:
    """Killed from outside, out of memory (below what the agent watches for), and by the end of the first process."""

    async def killed(at: Bench, launch: Launch) -> None:
        os.kill(sentry(at, launch.id), signal.SIGKILL)

    async def out_of_memory(at: Bench, launch: Launch) -> None:
        await at.driver.resize(launch.id, cpus=1, memory_mb=96)
        async with linked(await at.driver.endpoint(launch)) as link:
            await spawn(link, "exec python3 -c 'import time; x = bytearray(400 << 20); time.sleep(999)'")
            await died(at, launch.id)

    async def ended(at: Bench, launch: Launch) -> None:
        async with linked(await at.driver.endpoint(launch)) as link:
            await spawn(link, "kill -9 1")
            await died(at, launch.id)

    async def work() -> None:
        async with bench(images) as at:
            for end, reason in (
                (killed, death.OUTSIDE),
                (out_of_memory, death.MEMORY),
                (ended, "its first process ended"),
            ):
                launch = await at.launch()
                await at.driver.start(launch)
                await end(at, launch)
                assert (await died(at, launch.id)).reason.startswith(reason)
                await at.driver.remove(launch.id)
                await nothing_left(at, launch.id)

    asyncio.run(work())


def test_a_new_driver_takes_over_what_runs(images: Images) -> None:
    async def work() -> None:
        async with bench(images) as at:
            launch = await at.launch()
            await at.driver.start(launch)
            at.driver = at.new_driver()
            assert await at.driver.running() == {launch.id}
            assert await at.driver.alive(launch.id) is None
            async with linked(await at.driver.endpoint(launch)) as link:
                await link.ping()
            with pytest.raises(Conflict):
                await at.driver.start(launch)
            assert await at.driver.alive(launch.id) is None
            await at.driver.remove(launch.id)
            await nothing_left(at, launch.id)

    asyncio.run(work())


def test_a_start_that_fails_says_why_and_leaves_nothing(images: Images) -> None:
    async def work() -> None:
        async with bench(images) as at:
            launch = await at.launch()
            with pytest.raises(Failed, match="no-such"):
                await at.driver.start(replace(launch, netns="/run/netns/no-such"))
            await nothing_left(at, launch.id)
            (launch.root / ".oc" / "agent").unlink()
            with pytest.raises(Failed, match="agent"):
                await at.driver.start(launch)
            await nothing_left(at, launch.id)

    asyncio.run(work())


@pytest.mark.parametrize("after_s", [0, 0.02, 0.06, 0.12])
def test_a_start_that_is_given_up_leaves_nothing(images: Images, after_s: float) -> None:
    """Wherever it is just then."""

    async def work() -> None:
        async with bench(images) as at:
            launch = await at.launch()
            start = asyncio.create_task(at.driver.start(launch))
            await asyncio.sleep(after_s)
            start.cancel()
            await asyncio.wait([start])
            await at.driver.remove(launch.id)
            await nothing_left(at, launch.id)

    asyncio.run(work())
