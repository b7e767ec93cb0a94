"""Control groups: one per sandbox, `/opencomputer-<instance>/<id>` in every hierarchy.

Three kinds of host: v1 (one hierarchy per controller), v2 (one for all, cgroups(7)), and hybrid, which for our purpose
is v1. A controller that is absent is skipped; `missing` names it for the doctor.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from oc.host import threads
from oc.host.mounts import MOUNTINFO, decoded
from oc.model.errors import Failed

CONTROLLERS = ("cpu", "memory", "pids", "freezer")
FLAGS = ("rw", "ro", "xattr", "clone_children", "noprefix", "cpuset_v2_mode")  # of a v1 mount, beside controllers
PERIOD_US = 100_000
PATIENCE_S = 10.0
STEP_S = 0.01


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the hierarchies are mounted."""

    v1: dict[str, Path]  # controller -> mount point; hierarchies without a controller by their name (`name=systemd`)
    v2: Path | None

    @property
    def unified(self) -> Path | None:
        """Where v2 is mounted, if that is what controls here."""
        return None if set(CONTROLLERS) & set(self.v1) else self.v2

    @property
    def roots(self) -> list[Path]:
        """All of them, as a runtime makes its group everywhere."""
        return list(dict.fromkeys([*self.v1.values(), *([self.v2] if self.v2 else [])]))


@functools.cache
def host_layout() -> Layout:
    """This host's, read once: hierarchies are mounted at boot."""
    return layout(MOUNTINFO.read_text(errors="surrogateescape"))


def layout(mountinfo: str) -> Layout:
    """Finds the hierarchies in the text of /proc/self/mountinfo."""
    v1: dict[str, Path] = {}
    v2: Path | None = None
    for line in mountinfo.splitlines():
        front, _, back = line.partition(" - ")
        kind, _, options = back.split(" ", 2)
        point = Path(decoded(front.split()[4]))
        if kind == "cgroup2":
            v2 = v2 or point
        elif kind == "cgroup":
            for option in options.split(","):
                v1.setdefault(option, point)
    for flag in FLAGS:
        v1.pop(flag, None)
    return Layout(v1, v2)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a group uses, by the kernel's own account."""

    cpu_s: float  # since the group was made, of all CPUs together
    memory_bytes: int  # without cached files: those give way to anybody


class Cgroup:
    """The group of one sandbox. Changes run in a thread; reading is a matter of microseconds."""

    def __init__(self, instance: str, id: str, where: Layout | None = None) -> None:
        self.layout = where or host_layout()
        self.oci_path = f"/opencomputer-{instance}/{id}"
        """What a runtime takes as `linux.cgroupsPath` (OCI runtime specification)."""

    async def create(self, *, cpus: float, memory_mb: int, pids: int) -> None:
        """Makes the group with its limits; an existing one takes them on. Raises Failed."""
        await threads.call(self._create, cpus, memory_mb, pids)

    def _create(self, cpus: float, memory_mb: int, pids: int) -> None:
        for controller in CONTROLLERS:
            if directory := self._directory(controller):
                directory.mkdir(parents=True, exist_ok=True)
        if self.layout.unified:
            self._delegate(self.layout.unified)
        self._limit(cpus, memory_mb)
        self._write("pids", "pids.max", str(pids))

    def _delegate(self, root: Path) -> None:
        """Gives the controllers to the group: each ancestor must pass them on."""
        for ancestor in (root, root / self.oci_path.split("/")[1]):
            there = (ancestor / "cgroup.controllers").read_text().split()
            for controller in ("cpu", "memory", "pids"):
                if controller in there:
                    _put(ancestor / "cgroup.subtree_control", f"+{controller}")

    async def resize(self, *, cpus: float, memory_mb: int) -> None:
        """Changes the limits of a group at once. Raises Failed, for instance when more memory is in use than that."""
        await threads.call(self._limit, cpus, memory_mb)

    def _limit(self, cpus: float, memory_mb: int) -> None:
        quota = max(1000, round(cpus * PERIOD_US))  # the kernel's minimum is 1 ms
        if self.layout.unified:
            self._write("cpu", "cpu.max", f"{quota} {PERIOD_US}")
            self._write("memory", "memory.max", str(memory_mb << 20))
            self._write("memory", "memory.swap.max", "0", optional=True)
        else:
            self._write("cpu", "cpu.cfs_period_us", str(PERIOD_US))
            self._write("cpu", "cpu.cfs_quota_us", str(quota))
            self._limit_memory_v1(memory_mb << 20)

    def _limit_memory_v1(self, size: int) -> None:
        """Memory and swap together may never be less than memory alone, at no moment: the order depends on the way."""
        names = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
        directory = self._directory("memory")
        if directory is None:
            return
        if size > int((directory / names[0]).read_text()):
            names.reverse()
        for name in names:
            self._write("memory", name, str(size), optional="memsw" in name)

    def oom_kills(self) -> int:
        """How many processes of the group the kernel has killed for want of memory; 0 when it is gone."""
        name = "memory.events" if self.layout.unified else "memory.oom_control"
        directory = self._directory("memory")
        if directory is None:
            return 0
        try:
            lines = (directory / name).read_text().splitlines()
        except OSError as error:
            _unless_gone(error)
            return 0
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)

    def usage(self) -> Usage | None:
        """None when the group is gone, or when this host does not count."""
        try:
            return self._usage_v2(self.layout.unified) if self.layout.unified else self._usage_v1()
        except OSError as error:
            _unless_gone(error)
            return None

    def _usage_v2(self, root: Path) -> Usage:
        directory = root / self.oci_path[1:]
        memory = int((directory / "memory.current").read_text()) - _cached(directory, "")
        return Usage(_number(directory / "cpu.stat", "usage_usec") / 1e6, max(0, memory))

    def _usage_v1(self) -> Usage | None:
        cpu, directory = self._directory("cpuacct"), self._directory("memory")
        if cpu is None or directory is None:
            return None
        memory = int((directory / "memory.usage_in_bytes").read_text()) - _cached(directory, "total_")
        return Usage(int((cpu / "cpuacct.usage").read_text()) / 1e9, max(0, memory))

    async def freeze(self) -> None:
        """Stops all processes of the group; returns when they have stopped. Raises Failed."""
        self._write(*self._freezer(frozen=True))
        await self._until(self.frozen, "freeze")

    async def thaw(self) -> None:
        """Lets them run again; fine when the group is gone or was not frozen."""
        with contextlib.suppress(_Gone):  # nothing to thaw
            self._write(*self._freezer(frozen=False))

    def frozen(self) -> bool:
        directory = self._directory("freezer")
        if directory is None:
            return False
        if self.layout.unified:
            return "frozen 1" in (directory / "cgroup.events").read_text().splitlines()
        return (directory / "freezer.state").read_text().strip() == "FROZEN"

    def _freezer(self, *, frozen: bool) -> tuple[str, str, str]:
        if self.layout.unified:
            return "freezer", "cgroup.freeze", "1" if frozen else "0"
        return "freezer", "freezer.state", "FROZEN" if frozen else "THAWED"

    def processes(self) -> set[int]:
        """Process ids in the group, of any hierarchy and of groups below it; empty when it is gone."""
        found: set[int] = set()
        for directory in self._directories():
            for group in (directory, *_below(directory)):
                try:
                    found.update(map(int, (group / "cgroup.procs").read_text().split()))
                except OSError as error:
                    _unless_gone(error)
        return found

    async def kill(self) -> None:
        """Kills all processes of the group and waits until they have gone. Raises Failed when some cannot be killed."""
        deadline = time.monotonic() + PATIENCE_S
        while self._alive():
            await threads.call(self._kill)
            await asyncio.sleep(STEP_S)
            if time.monotonic() > deadline:
                raise Failed(f"processes {sorted(self._alive())} of cgroup {self.oci_path} do not die")

    def _alive(self) -> set[int]:
        return {pid for pid in self.processes() if not _zombie(pid)}

    def _kill(self) -> None:
        """Frozen processes cannot fork; a signal reaches them as soon as they are thawed (freezer-subsystem.rst)."""
        with contextlib.suppress(_Gone):  # of this hierarchy; others may still hold some
            self._write(*self._freezer(frozen=True))
        _signal(self.processes())
        with contextlib.suppress(_Gone):
            self._write(*self._freezer(frozen=False))

    async def remove(self) -> None:
        """Kills what is in the group and removes it from all hierarchies; fine when there is nothing. Raises Failed."""
        await self.thaw()
        await self.kill()
        await self._until(self._removed, "be removed")

    def _removed(self) -> bool:
        groups = [group for top in self._directories() for group in (*reversed(_below(top)), top)]
        return sum(_rmdir(group) for group in groups) == len(groups)

    async def _until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > deadline:
                raise Failed(f"cgroup {self.oci_path} would not {what} within {PATIENCE_S:g} s")
            await asyncio.sleep(STEP_S)

    def _directories(self) -> list[Path]:
        return [root / self.oci_path[1:] for root in self.layout.roots]

    def _directory(self, controller: str) -> Path | None:
        root = self.layout.unified or self.layout.v1.get(controller)
        return None if root is None else root / self.oci_path[1:]

    def _write(self, controller: str, name: str, value: str, *, optional: bool = False) -> None:
        directory = self._directory(controller)
        if directory is None or (optional and not (directory / name).exists()):
            return
        _put(directory / name, value)


def all_of(instance: str, where: Layout | None = None) -> set[str]:
    """Ids of all groups of an instance, whole or half-made."""
    parents = (root / f"opencomputer-{instance}" for root in (where or host_layout()).roots)
    return {child.name for parent in parents if parent.is_dir() for child in parent.iterdir() if child.is_dir()}


async def remove_all(instance: str, where: Layout | None = None) -> None:
    """Removes every group of an instance, and the instance's own. Raises Failed."""
    for id in all_of(instance, where):
        await Cgroup(instance, id, where).remove()
    for root in (where or host_layout()).roots:
        _rmdir(root / f"opencomputer-{instance}")


def missing(where: Layout | None = None) -> set[str]:
    """Controllers that this host does not offer, of those that limits need."""
    there = where or host_layout()
    if there.unified:
        return {"cpu", "memory", "pids"} - set((there.unified / "cgroup.controllers").read_text().split())
    return set(CONTROLLERS) - set(there.v1)


class _Gone(Failed):
    """The group, or this file of it, is not there."""


def _number(file: Path, name: str) -> int:
    """Of a file of names and numbers; 0 for a name that is not in it."""
    lines = (line.split() for line in file.read_text().splitlines())
    return next((int(fields[1]) for fields in lines if fields[0] == name), 0)


def _cached(directory: Path, prefix: str) -> int:
    """Bytes of files; those of a tmpfs are not among them, as they are not files of a disk to the kernel."""
    return sum(_number(directory / "memory.stat", f"{prefix}{state}_file") for state in ("active", "inactive"))


def _put(file: Path, value: str) -> None:
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise _Gone(f"no cgroup file {file}") from error
    try:
        os.write(fd, value.encode())
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise _Gone(f"cgroup of {file} has gone") from error
        raise Failed(f"cannot write {value} to {file}: {error.strerror}") from error
    finally:
        os.close(fd)


def _rmdir(group: Path) -> bool:
    try:
        group.rmdir()
    except OSError as error:
        if error.errno in {errno.EBUSY, errno.ENOTEMPTY}:  # the last processes are just leaving
            return False
        _unless_gone(error)
    return True


def _below(group: Path) -> list[Path]:
    """All groups below one, parents first."""
    try:
        children = [child for child in group.iterdir() if child.is_dir()]
    except OSError as error:
        _unless_gone(error)
        return []
    return [found for child in children for found in (child, *_below(child))]


def _unless_gone(error: OSError) -> None:
    """A group may vanish while it is looked at: its files then give ENOENT or ENODEV."""
    if error.errno not in {errno.ENOENT, errno.ENODEV}:
        raise error


def _signal(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, signal.SIGKILL)


def _zombie(pid: int) -> bool:
    """A zombie is dead: it stays in its group until it is reaped, and does not keep the group from being removed."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in {"Z", "X"}
