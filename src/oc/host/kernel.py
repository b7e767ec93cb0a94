"""What this host's kernel offers, as facts for the doctor and for the drivers."""

from __future__ import annotations

import os
from pathlib import Path

from oc.host import cgroup, netns, process
from oc.host.loop import LOOP_CONTROL
from oc.host.syscalls import CLONE_NEWNET, unshare

RMEM_DEFAULT = Path("/proc/sys/net/core/rmem_default")


def release() -> str:
    """Version of the running kernel, such as `6.1.0-18-amd64`, and the machine's architecture."""
    name = os.uname()
    return f"{name.release} {name.machine}"


def cgroup_mode() -> str:
    """`v2`, `v1`, `hybrid` (v2 is mounted but v1 controls) or `none`."""
    layout = cgroup.host_layout()
    if layout.unified:
        return "v2"
    return "none" if not layout.v1 else "hybrid" if layout.v2 else "v1"


def rmem_default_per_netns() -> bool:
    """Whether new network namespaces have `net.core.rmem_default` (Linux 6.18 does).

    runsc of 2024-07 and older takes that for the host's own namespace and refuses to start (gVisor commit 19f6b0c07).
    Raises PermissionError for who may not make namespaces.
    """

    def look() -> bool:
        unshare(CLONE_NEWNET)
        return RMEM_DEFAULT.exists()

    return netns.in_thread(look)


async def nftables() -> str | None:
    """None when nftables works; otherwise why not."""
    try:
        await process.run("nft", "list", "tables")
    except process.ProgramFailed as error:
        return error.text
    return None


def loop_devices() -> bool:
    """Whether loop devices can be made (the module may have to be loaded: `modprobe loop`)."""
    return LOOP_CONTROL.exists()
