"""No isolation, for tests: the real agent as a process of the host, with namespaces only so that it does no harm there.

Its PID namespace makes "ended" sure: when its first process, the agent, is killed, the kernel kills all others
(pid_namespaces(7)). A directory per sandbox, made before anything else, is all that a new worker needs to find it.
"""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import signal
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from oc.host import process, threads
from oc.host.cgroup import Usage
from oc.model.errors import Failed
from oc.model.ids import SANDBOX
from oc.runtime.driver import Death, Endpoint, Launch
from oc.runtime.fake.script import Script

START_S = 30.0
LOOK_EVERY_S = 0.005
LOOKS = 10
PF_EXITING, PF_KTHREAD = 0x4, 0x200000  # include/linux/sched.h

# $1 is the sandbox's directory; it is in the command line of each process, which is how they are found.
LAUNCH = """
unshare $2 --mount --uts --pid --fork --kill-child --mount-proc sh -c "$3" sh "$1" >"$1/out" 2>"$1/err" </dev/null &
echo $! >"$1/pid"
"""
# The agent writes /etc/hosts, and tests write files: into a tmpfs over the host's directories.
ENTER = """
set -e
mount -t tmpfs fake "$1/top"
cd "$1/top"
for d in etc home root tmp; do
    mkdir -p $d/upper $d/work
    mount -t overlay -o lowerdir=/$d,upperdir=$d/upper,workdir=$d/work fake /$d
done
cd /
exec "$1/agent" --listen 127.0.0.1:0 --print-port
"""


class FakeDriver:
    name = "fake"

    def __init__(self, agent: Path, directory: Path) -> None:
        self._agent = agent
        self._directory = directory
        self._script = Script(directory / "faults.json")

    async def build(self) -> str:
        return "fake"

    async def start(self, launch: Launch) -> Endpoint:
        await self._script.play("start", launch.id)
        directory = self._directory / launch.id
        try:
            (directory / "top").mkdir(parents=True)
            (directory / "agent").symlink_to(self._agent.absolute())
            user = "" if os.geteuid() == 0 else "--map-root-user"
            environment = {"PATH": os.environ.get("PATH", os.defpath), "OC_AGENT_TOKEN": launch.token.hex()}
            await process.run("sh", "-c", LAUNCH, "sh", directory, user, ENTER, env=environment, cwd=Path("/"))
            return Endpoint("127.0.0.1", await self._listening(launch.id), launch.token)
        except BaseException:
            await self.remove(launch.id)
            raise

    async def _listening(self, id: str) -> int:
        """The port that the agent prints. Raises Failed with its words when it ends instead."""
        try:
            async with asyncio.timeout(START_S):
                while (port := self._port(id)) is None:
                    if await self.alive(id) is not None:
                        words = (self._directory / id / "err").read_text(errors="replace").strip()
                        raise Failed(f"the agent of {id} ended: {words}")
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError as error:
            raise Failed(f"the agent of {id} did not listen within {START_S:g} s") from error
        return port

    def _port(self, id: str) -> int | None:
        try:
            line, newline, _ = (self._directory / id / "out").read_text().partition("\n")
        except FileNotFoundError:  # the shell has not opened it yet
            return None
        return int(line) if newline else None

    async def endpoint(self, launch: Launch) -> Endpoint:
        port = self._port(launch.id)
        if port is None:
            raise Failed(f"the agent of {launch.id} does not listen")
        return Endpoint("127.0.0.1", port, launch.token)

    async def alive(self, id: str) -> Death | None:
        try:
            pid = (self._directory / id / "pid").read_text()
        except FileNotFoundError:
            return Death("it does not run on this host")
        ours = pid.endswith("\n") and str(self._directory / id).encode() in _command_line(Path("/proc", pid.strip()))
        return None if ours else Death("its processes were killed")

    async def running(self) -> set[str]:
        self._directory.mkdir(parents=True, exist_ok=True)
        return {entry.name for entry in self._directory.iterdir() if SANDBOX.fullmatch(entry.name)}

    async def usage(self, ids: Collection[str]) -> dict[str, Usage]:
        """Without control groups nobody counts."""
        return {}

    async def remove(self, id: str) -> None:
        await self._script.play("remove", id)
        await threads.call(self._remove, self._directory / id)

    def _remove(self, directory: Path) -> None:
        while found := list(_processes(directory)):
            for fd in found:
                _end(fd)
        if directory.exists():
            shutil.rmtree(directory)

    async def save(self, id: str, into: Path) -> None:
        """Of the memory nothing is saved but that it was: whoever resumes from it boots."""
        await self._script.play("save", id)
        into.mkdir()
        (into / "memory").write_text(id)

    async def pause(self, id: str) -> None:
        await self._script.play("pause", id)
        await threads.call(self._signal, id, signal.SIGSTOP)

    async def resume(self, id: str) -> None:
        await self._script.play("resume", id)
        await threads.call(self._signal, id, signal.SIGCONT)

    async def freeze(self, id: str) -> None:
        await self.pause(id)

    async def thaw(self, id: str) -> None:
        await self.resume(id)

    def _signal(self, id: str, number: signal.Signals) -> None:
        for fd in _processes(self._directory / id):
            _send(fd, number)

    async def resize(self, id: str, *, cpus: float, memory_mb: int) -> None:
        """Recorded; what it limits is nobody."""
        await self._script.play("resize", id)
        (self._directory / id / "size").write_text(f"{cpus:g} {memory_mb}")


def _processes(directory: Path) -> Iterator[int]:
    """A pidfd of each process that names the directory in its command line."""
    for entry in _naming(str(directory).encode()):
        try:
            fd = os.pidfd_open(int(entry.name))
        except ProcessLookupError:
            continue
        if str(directory).encode() in _command_line(entry):  # still the same process
            yield fd
        else:
            os.close(fd)


def _naming(mark: bytes) -> set[Path]:
    """All are waited for together: the processes of gVisor's sandboxes never have a command line."""
    found: set[Path] = set()
    unsure = set(Path("/proc").glob("[0-9]*"))
    for _ in range(LOOKS):
        lines = {entry: _line(entry) for entry in unsure}
        found |= {entry for entry, line in lines.items() if line and mark in line}
        unsure = {entry for entry, line in lines.items() if line is None}
        if not unsure:
            break
        time.sleep(LOOK_EVERY_S)
    return found


def _command_line(entry: Path) -> bytes:
    """As `_line`; one who is just about to run another program is waited for."""
    for _ in range(LOOKS):
        if (line := _line(entry)) is not None:
            return line
        time.sleep(LOOK_EVERY_S)
    return b""


def _line(entry: Path) -> bytes | None:
    """Empty for the dead and for the kernel's own; None for those who may be just about to run another program."""
    try:
        line = (entry / "cmdline").read_bytes()
        return line if line or not _in_exec(entry) else None
    except (FileNotFoundError, ProcessLookupError):
        return b""  # it has ended


def _in_exec(entry: Path) -> bool:
    """Without a command line, but neither exiting nor a kernel thread (`flags` of proc_pid_stat(5))."""
    fields = (entry / "stat").read_text().rpartition(")")[2].split()
    return not int(fields[6]) & (PF_EXITING | PF_KTHREAD)


def _send(fd: int, number: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:  # ended by itself
        pass
    finally:
        os.close(fd)


def _end(fd: int) -> None:
    """Kills a process and waits for its end; for the first of a namespace that is the end of all in it."""
    try:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        select.select([fd], [], [])
    except ProcessLookupError:  # ended by itself
        pass
    finally:
        os.close(fd)
