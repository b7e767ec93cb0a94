"""The checks of the doctor: each looks at one thing and changes nothing."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oc.host import cgroup, kernel, pool, process, reflink, threads
from oc.model.errors import BadRequest, Conflict, OpenComputerError
from oc.serve import lock, port, probe, service
from oc.serve.client_config import ClientConfig
from oc.serve.root import person
from oc.settings import Settings

OK, WARN, FAIL = "ok", "warn", "fail"

RUNSC_MINIMUM = 20240729  # older builds cannot save and restore a sandbox as the worker does it
ROOM_MB = 4096  # for the base image and a few sandboxes
MEMORY_MB = 512
CGROUP_MEND = "boot with the controllers on, such as cgroup_enable=memory on the kernel's command line"


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    result: str  # OK, WARN or FAIL
    text: str
    mend: str | None = None


Check = Callable[[Settings], Awaitable[Finding]]


async def examine(settings: Settings) -> list[Finding]:
    """All findings, in the order of the table."""
    return [await _examined(name, check, settings) for name, check in CHECKS.items()]


async def _examined(name: str, check: Check, settings: Settings) -> Finding:
    """A check that cannot be made is a finding too."""
    try:
        return await check(settings)
    except (OpenComputerError, OSError) as error:
        return Finding(
            name, WARN, f"cannot be looked at: {error}", "run as root: sudo oc doctor" if _not_root() else None
        )


def _not_root() -> bool:
    return os.geteuid() != 0


def _need_root() -> None:
    if _not_root():
        raise PermissionError(errno.EPERM, "only root may")


# --- the machine ------------------------------------------------------------------------------------------------------


async def _root(_: Settings) -> Finding:
    if _not_root():
        return Finding("root", WARN, "this runs without root, so some things cannot be looked at", "sudo oc doctor")
    return Finding("root", OK, "worker and doctor may do all that they need")


async def _kernel(_: Settings) -> Finding:
    note = ""
    if not _not_root() and await threads.call(kernel.rmem_default_per_netns):
        note = "; rmem_default is per namespace, which the driver hides from old builds of runsc"
    return Finding("kernel", OK, f"Linux {kernel.release()}{note}")


async def _runtime(settings: Settings) -> Finding:
    if settings.runtime == "fake":
        return Finding("runsc", WARN, "runtime = fake: sandboxes are NOT isolated", "set runtime to auto")
    if not shutil.which("runsc"):
        return Finding("runsc", FAIL, "runsc (gVisor) is not installed", "make up, or: apt install runsc")
    words = (await process.run("runsc", "--version")).out.decode(errors="replace").split()
    version = words[2] if len(words) > 2 else "of unknown version"
    dated = re.search(r"(20\d{6})", version)
    if dated and int(dated[1]) < RUNSC_MINIMUM:
        return Finding(
            "runsc", FAIL, f"runsc {version} is older than {RUNSC_MINIMUM}", "install a newer one (backports)"
        )
    return Finding("runsc", OK, f"runsc {version}; no hardware virtualization (KVM) is needed")


async def _cgroups(_: Settings) -> Finding:
    mode, missing = kernel.cgroup_mode(), sorted(cgroup.missing())
    if mode == "none":
        return Finding("cgroups", FAIL, "no cgroup hierarchy is mounted", "mount -t cgroup2 none /sys/fs/cgroup")
    if missing:
        return Finding("cgroups", FAIL, f"{mode}, but without {', '.join(missing)}", CGROUP_MEND)
    return Finding("cgroups", OK, f"{mode}: CPU, memory and process limits work")


async def _memory(_: Settings) -> Finding:
    free_mb = _meminfo("MemAvailable") >> 10
    text = f"{free_mb} MB of {_meminfo('MemTotal') >> 10} MB are available"
    if free_mb < MEMORY_MB:
        return Finding("memory", WARN, text, "end something, or make smaller sandboxes: oc create --memory 256")
    return Finding("memory", OK, text)


def _meminfo(name: str) -> int:
    """In KiB (proc_meminfo(5))."""
    found = re.search(rf"^{name}:\s+(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


# --- disks ------------------------------------------------------------------------------------------------------------


async def _pool(settings: Settings) -> Finding:
    """Where the pool is, or where it will be made."""
    directory = next(
        path for path in (settings.data_dir / "pool", settings.data_dir, *settings.data_dir.parents) if path.is_dir()
    )
    free_mb = pool.free_mb(directory)
    how = "files are cloned" if await threads.call(reflink.supported, directory) else "a btrfs image will be made"
    text = f"{free_mb} MB free in {directory}; {how}"
    if free_mb < settings.disk_reserve_mb:
        mend = f"free space, or set data_dir: below {settings.disk_reserve_mb} MB (disk_reserve_mb) creates are refused"
        return Finding("disk pool", FAIL, text, mend)
    if free_mb < settings.disk_reserve_mb + ROOM_MB:
        return Finding("disk pool", WARN, text, "room for few sandboxes: free space, or set data_dir to a larger disk")
    return Finding("disk pool", OK, text)


async def _loops(_: Settings) -> Finding:
    if not kernel.loop_devices():
        return Finding("loop devices", FAIL, "there is no /dev/loop-control", "modprobe loop")
    return Finding("loop devices", OK, "disks can be mounted")


async def _image(settings: Settings) -> Finding:
    templates = settings.data_dir / "pool" / "templates"
    if settings.runtime == "fake" or (templates.is_dir() and any(templates.iterdir())):
        return Finding("base image", OK, "is made")
    return Finding("base image", WARN, f"is not made yet in {templates}", "make up makes it (some minutes, once)")


async def _agent(settings: Settings) -> Finding:
    if not os.access(settings.agent, os.X_OK):
        return Finding("agent", FAIL, f"{settings.agent} is not built", "make -C agent, or set agent")
    return Finding("agent", OK, f"{settings.agent}, {settings.agent.stat().st_size >> 10} KB")


# --- network ----------------------------------------------------------------------------------------------------------


async def _nftables(_: Settings) -> Finding:
    _need_root()
    why = await kernel.nftables()
    if why is not None:
        return Finding("nftables", FAIL, why, "apt install nftables; the kernel needs nf_tables (modprobe nf_tables)")
    return Finding("nftables", OK, "sandboxes can be filtered and have a way out")


async def _forwarding(_: Settings) -> Finding:
    if Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1":
        return Finding("forwarding", OK, "IPv4 packets are forwarded")
    return Finding("forwarding", WARN, "IPv4 forwarding is off", "the worker turns it on when it starts: make up")


async def _firewall(settings: Settings) -> Finding:
    """A chain of another program that drops by default (Docker's) is passed by rules that the worker adds."""
    if not shutil.which("iptables"):
        return Finding("firewall", OK, "no iptables, so nothing of it drops sandboxes' packets")
    _need_root()
    rules = (await process.run("iptables", "-w", "30", "-S", "FORWARD", ok=range(5))).out.decode()
    if not rules.startswith("-P FORWARD DROP"):
        return Finding("firewall", OK, "forwarded packets are not dropped by another program")
    if f"-i {settings.instance}-+ -j ACCEPT" in rules:
        return Finding("firewall", OK, "another program (Docker?) drops forwarded packets; sandboxes' pass")
    return Finding(
        "firewall", WARN, "another program (Docker?) drops forwarded packets", "the worker lets its own pass: make up"
    )


async def _dns(_: Settings) -> Finding:
    servers = re.findall(r"^nameserver\s+(\S+)", Path("/etc/resolv.conf").read_text(), re.MULTILINE)
    if not servers:
        return Finding("DNS", WARN, "no nameserver in /etc/resolv.conf: sandboxes resolve no names", "name one there")
    return Finding("DNS", OK, f"sandboxes' questions go to {', '.join(servers)}")


# --- the service ------------------------------------------------------------------------------------------------------


async def _port(settings: Settings) -> Finding:
    if lock.of(settings.run_dir, "service").holder() is not None:
        return Finding("address", OK, f"{settings.listen} is the service's")
    try:
        await threads.call(port.check_free, settings.listen)
    except (Conflict, BadRequest) as error:
        return Finding("address", FAIL, error.text, error.hint)
    return Finding("address", OK, f"{settings.listen} is free")


async def _service(settings: Settings) -> Finding:
    holder = lock.of(settings.run_dir, "service").holder()
    if holder is None:
        return Finding("service", WARN, "does not run", "make up")
    worker = await threads.call(probe.worker, settings.worker_socket)
    if not await threads.call(probe.ready, port.url(settings.listen)):
        detail = "does not answer" if worker is None else str(worker.get("detail"))
        return Finding("service", FAIL, f"is not ready; worker: {detail}", f"see {service.where_logs_are(settings)}")
    if worker is not None and worker.get("status") != "ok":
        return Finding("service", WARN, f"answers, but not for new sandboxes: {worker.get('detail')}", "wait")
    return Finding("service", OK, f"answers at {port.url(settings.listen)} (process {holder})")


async def _key(settings: Settings) -> Finding:
    config = ClientConfig(person())
    values: dict[str, Any] = config.read()
    url, key = str(values.get("api_url") or port.url(settings.listen)), values.get("api_key")
    if not key:
        return Finding(
            "API key", WARN, f"there is none in {config.path}", "make up makes one; or: oc config set api-key KEY"
        )
    if url != port.url(settings.listen):
        return Finding("API key", OK, f"{config.path} is for another server, {url}")
    try:
        works = await threads.call(probe.key_works, url, str(key))
    except OSError:
        return Finding("API key", WARN, f"one is in {config.path}; the service does not answer, so it was not tried")
    if not works:
        return Finding("API key", WARN, f"the one in {config.path} is refused", "make up makes a new one")
    return Finding("API key", OK, f"the one in {config.path} works")


CHECKS: dict[str, Check] = {
    "root": _root,
    "kernel": _kernel,
    "runsc": _runtime,
    "cgroups": _cgroups,
    "memory": _memory,
    "disk pool": _pool,
    "loop devices": _loops,
    "base image": _image,
    "agent": _agent,
    "nftables": _nftables,
    "forwarding": _forwarding,
    "firewall": _firewall,
    "DNS": _dns,
    "address": _port,
    "service": _service,
    "API key": _key,
}
