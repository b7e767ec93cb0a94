"""Sandboxes under gVisor: a kernel in user space, `runsc`, which needs no virtualization.

All of a sandbox's processes on the host are in its control group, from the first instruction of the program that starts
them on. So to remove one, whole, half-made or frozen, is to empty that group and to delete its files: `runsc delete`,
which waits for processes to be reaped, is not needed.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from oc.host import cgroup, process, threads
from oc.host.cgroup import Cgroup, Usage
from oc.host.process import ProgramFailed
from oc.model.errors import Conflict, Failed, NotSupported
from oc.runtime.driver import Death, Endpoint, Launch
from oc.runtime.gvisor import bundle, death, oci
from oc.runtime.gvisor.bundle import Bundle
from oc.runtime.gvisor.runsc import Runsc

START_S = 60.0
SAVE_S = 600.0
PIDS = 8000  # host threads: at its limit the whole sandbox dies (B7), so it only guards the host
OVERHEAD_MB = 64  # of sentry and gofer: 20 MB idle, more with open files and connections...
OVERHEAD_SHARE = 16  # ...and with page tables: a sixteenth of the sandbox's memory


class GvisorDriver:
    name = "gvisor"

    def __init__(self, run_dir: Path, instance: str) -> None:
        self._run_dir = run_dir
        self._instance = instance
        self._runsc = Runsc(run_dir / "runsc")

    async def build(self) -> str:
        return await self._runsc.build()

    # --- start ---

    async def start(self, launch: Launch) -> Endpoint:
        """Boots the sandbox, or resumes it from `launch.memory`: then its agent has the token of the saved one."""
        files = self._bundle(launch.id)
        if files.directory.exists():
            raise Conflict(f"sandbox {launch.id} has been started already")
        try:
            await threads.call(files.write, oci.config(launch, self._group(launch.id).oci_path))
            await self._run(launch, files)
            await threads.call(files.started)
        except BaseException as error:
            words = death.last_words(files)
            await self.remove(launch.id)
            if isinstance(error, ProgramFailed | OSError):
                raise Failed(f"gVisor cannot start sandbox {launch.id}: {words or error}") from error
            raise
        return await self.endpoint(launch)

    async def _run(self, launch: Launch, files: Bundle) -> None:
        """gVisor takes MemTotal and the number of CPUs from the limits that it starts with, so these are set twice."""
        group = self._group(launch.id)
        await group.create(cpus=oci.cpus(launch), memory_mb=launch.memory_mb, pids=PIDS)
        verb = ["restore", f"-image-path={launch.memory}"] if launch.memory else ["run"]
        options = ["-detach", f"-bundle={files.directory}", f"-pid-file={files.pid_file}"]
        command = await self._runsc.command(*verb, *options, launch.id, logs=files.logs)
        await process.run(*await self._runsc.launcher(command, _directories(group)), timeout_s=START_S)
        await self._limit(group, launch.cpus, launch.memory_mb)

    async def endpoint(self, launch: Launch) -> Endpoint:
        return Endpoint(launch.address, oci.PORT, launch.token)

    # --- while it runs ---

    async def alive(self, id: str) -> Death | None:
        files = self._bundle(id)
        if files.alive():
            files.cut_logs()
            return None
        return await threads.call(death.cause, files, self._group(id).oom_kills())

    async def running(self) -> set[str]:
        return await threads.call(bundle.all_of, self._run_dir) | cgroup.all_of(self._instance)

    async def resize(self, id: str, *, cpus: float, memory_mb: int) -> None:
        """What `nproc` and MemTotal say inside stays as it was at the start.

        Raises NotSupported for more CPUs than it has seen at its start, and where the host cannot limit; and Failed.
        """
        if lacking := cgroup.missing() & {"cpu", "memory"}:
            raise NotSupported(f"this host has no cgroup controller {', '.join(sorted(lacking))} to scale with")
        seen = await threads.call(self._bundle(id).cpus)
        if cpus > seen:
            raise NotSupported(
                f"sandbox {id} was started with {seen} CPUs, and gVisor gives it no more while it runs",
                hint="create one with more CPUs",
            )
        await self._limit(self._group(id), cpus, memory_mb)

    async def _limit(self, group: Cgroup, cpus: float, memory_mb: int) -> None:
        await group.resize(cpus=cpus, memory_mb=memory_mb + OVERHEAD_MB + memory_mb // OVERHEAD_SHARE)

    async def freeze(self, id: str) -> None:
        await self._group(id).freeze()

    async def thaw(self, id: str) -> None:
        await self._group(id).thaw()

    async def pause(self, id: str) -> None:
        await self._tell("pause", id)

    async def resume(self, id: str) -> None:
        await self._tell("resume", id)

    async def save(self, id: str, into: Path) -> None:
        """Raises Failed: the sandbox is as it was, still paused. What is written may not be on the disk yet."""
        options = ["-compression=none", f"-image-path={into}", "-leave-running"]
        into.mkdir(mode=0o700)
        try:
            await self._tell("checkpoint", id, *options)
        except BaseException:
            await threads.call(shutil.rmtree, into)
            raise

    async def _tell(self, verb: str, id: str, *options: str) -> None:
        try:
            await process.run(*await self._runsc.command(verb, *options, id), timeout_s=SAVE_S)
        except ProgramFailed as error:
            said = death.first_line(error.completed.err.decode(errors="replace")) if error.completed else ""
            raise Failed(f"gVisor cannot {verb} sandbox {id}: {said or error}") from error

    async def usage(self, ids: Collection[str]) -> dict[str, Usage]:
        return await threads.call(self._usage, ids)

    def _usage(self, ids: Collection[str]) -> dict[str, Usage]:
        return {id: usage for id in ids if (usage := self._group(id).usage()) is not None}

    # --- end ---

    async def remove(self, id: str) -> None:
        await self._group(id).remove()
        await threads.call(self._bundle(id).delete)

    def _group(self, id: str) -> Cgroup:
        return Cgroup(self._instance, id)

    def _bundle(self, id: str) -> Bundle:
        return Bundle(self._run_dir, id)


def _directories(group: Cgroup) -> list[Path]:
    """In the hierarchies in which it has been made; runsc adds it to the others and leaves those as they are."""
    places = (root / group.oci_path[1:] for root in group.layout.roots)
    return [place for place in places if place.is_dir()]
