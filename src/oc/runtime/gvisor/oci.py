"""The bundle's `config.json` (OCI runtime specification) as data."""

from __future__ import annotations

import math
from typing import Any

from oc.runtime.driver import Launch

AGENT = "/.oc/agent"
PORT = 1023
PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"

# Capabilities reach only gVisor's emulation, never the host. These are Docker's defaults (apt, ping and sudo need some
# of them) and what people do as root on a machine of their own: mount, trace, renice and raise limits. Not the ones
# that would let it configure its network.
CAPABILITIES = [
    f"CAP_{name}"
    for name in (
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
        "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
        "DAC_READ_SEARCH", "IPC_LOCK", "SYS_ADMIN", "SYS_NICE", "SYS_PTRACE", "SYS_RESOURCE",
    )
]  # fmt: skip

OPEN_FILES = 65536
OPEN_FILES_AT_MOST = 1 << 20

CPUS = "dev.opencomputer.cpus"  # annotation, for whoever comes to know of the sandbox later
LEAST_CPUS = 2  # gVisor shows no fewer

NAMESPACES = ("pid", "ipc", "uts", "mount")


def cpus(launch: Launch) -> int:
    """What it is started with, and sees inside for as long as it runs. Fewer would only make the start slow."""
    return max(math.ceil(launch.cpus), LEAST_CPUS)


def config(launch: Launch, cgroups_path: str) -> dict[str, Any]:
    """No limits are in it: they are set on the control group, which is there before the sandbox."""
    return {
        "ociVersion": "1.0.2",
        "hostname": launch.id,
        "root": {"path": str(launch.root)},
        "process": _process(launch),
        "mounts": _mounts(launch),
        "annotations": {CPUS: str(cpus(launch))},
        "linux": {"namespaces": _namespaces(launch), "cgroupsPath": cgroups_path},
    }


def _process(launch: Launch) -> dict[str, Any]:
    return {
        "args": [AGENT, "--port", str(PORT)],
        "cwd": "/",
        "user": {"uid": 0, "gid": 0},
        "env": [
            f"PATH={PATH}",
            f"OC_AGENT_TOKEN={launch.token.hex()}",
            f"OC_AGENT_MEMORY_MB={launch.memory_mb}",
        ],
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES),
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": OPEN_FILES, "hard": OPEN_FILES_AT_MOST}],
        "noNewPrivileges": False,  # sudo
    }


def _mounts(launch: Launch) -> list[dict[str, Any]]:
    """What gVisor does not mount by itself, as it does /dev.

    `/tmp` is memory: a file that is open there and has no name any more can be saved, which on the disk it cannot (B6).
    """
    memory = [f"size={max(16, launch.memory_mb // 2)}m", "mode=1777"]
    return [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": memory},  # noqa: S108
        {"destination": "/tmp", "type": "tmpfs", "source": "tmp", "options": memory},  # noqa: S108
    ]


def _namespaces(launch: Launch) -> list[dict[str, str]]:
    network = {"type": "network", **({"path": launch.netns} if launch.netns else {})}
    return [*({"type": kind} for kind in NAMESPACES), network]
