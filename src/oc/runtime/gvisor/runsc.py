"""The `runsc` program: its build, its flags and its command lines."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from oc.host import process, threads
from oc.host.kernel import rmem_default_per_netns
from oc.model.errors import NotSupported

PROGRAM = "runsc"

# Of every command. Flags of ours that this build does not know and does not need are left out.
FLAGS = {
    "platform": "systrap",  # needs no hardware
    "network": "sandbox",  # gVisor's own stack, never the host's sockets
    "directfs": "false",  # the sentry has no capability, only the gofer touches files
    "overlay2": "none",  # what is written goes to the sandbox's disk, also when it dies
    "host-uds": "none",
    "net-raw": "true",  # ping
    "allow-suid": "true",  # sudo by others than root; builds without it ignore set-uid bits
    "net-disconnect-ok": "true",  # a checkpoint closes connections to outside instead of failing
    "cpu-num-from-quota": "true",  # nproc tells what the sandbox may use, though at least 2
}
REQUIRED = frozenset({"platform", "network", "directfs", "overlay2"})

# Builds before gVisor commit 19f6b0c07 take a network namespace that has `rmem_default` for the host's own.
HIDE_RMEM_DEFAULT = "mount -t tmpfs none /proc/sys/net"
# What is unmounted on the host meanwhile goes here too, where the host's mounts are shared (as systemd makes them).
APART = ["unshare", "--mount", "--propagation", "slave"]


class Runsc:
    def __init__(self, root: Path) -> None:
        self.root = root  # where it keeps its state
        self._flags: list[str] | None = None
        self._hide: bool | None = None

    async def build(self) -> str:
        """Its version, such as `runsc 0.0~20240729.0`. Raises ProgramFailed."""
        words = (await process.run(PROGRAM, "--version")).out.decode().split()
        return f"{PROGRAM} {words[words.index('version') + 1]}"

    async def flags(self) -> list[str]:
        """Those that this build knows. Raises NotSupported when a required one is missing."""
        if self._flags is None:
            completed = await process.run(PROGRAM, "flags")
            known = set(re.findall(r"^\s+-([\w-]+)", (completed.out + completed.err).decode(), re.MULTILINE))
            if missing := REQUIRED - known:
                raise NotSupported(
                    f"this build of runsc lacks the flags {sorted(missing)}", hint="install runsc of 2024 or newer"
                )
            self._flags = [f"--{name}={value}" for name, value in FLAGS.items() if name in known]
        return self._flags

    async def command(self, *verb: str | Path, logs: Path | None = None) -> list[str]:
        """A command line; `logs` is a directory for what this command and the processes that it starts have to say."""
        log = [f"--log={logs}/errors", f"--panic-log={logs}/panic", f"--debug-log={logs}/%COMMAND%"] if logs else []
        return [PROGRAM, f"--root={self.root}", *await self.flags(), *log, *map(str, verb)]

    async def launcher(self, command: list[str], groups: Iterable[Path]) -> list[str]:
        """The command inside the control groups from its first instruction on, so that nothing of it can be missed."""
        if self._hide is None:
            self._hide = await threads.call(rmem_default_per_netns)
        lines = [f"echo $$ >{shlex.quote(str(group / 'cgroup.procs'))}" for group in groups]
        lines += [HIDE_RMEM_DEFAULT] if self._hide else []
        script = " && ".join([*lines, f"exec {shlex.join(command)} </dev/null >/dev/null 2>&1"])
        return [*(APART if self._hide else []), "sh", "-c", script]
