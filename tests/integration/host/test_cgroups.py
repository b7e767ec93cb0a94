"""Control groups: this machine's own kind, and version 2 on a tree of plain files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from oc.host import cgroup, children
from oc.host.cgroup import Cgroup, Layout

ID = "sb-0123abcd"


@pytest.fixture
def group(instance: str) -> Iterator[Cgroup]:
    """One of this host, removed at the end whatever happened."""
    if cgroup.missing():
        pytest.skip(f"this host has no cgroup controllers {cgroup.missing()}")
    yield Cgroup(instance, ID)
    asyncio.run(cgroup.remove_all(instance))
    assert not [root for root in cgroup.host_layout().roots if (root / f"opencomputer-{instance}").exists()]


def join(group: Cgroup, pid: int) -> None:
    for root in group.layout.roots:
        procs = root / group.oci_path[1:] / "cgroup.procs"
        if procs.exists():
            procs.write_text(str(pid))


def test_a_group_holds_freezes_and_kills_its_processes(group: Cgroup, instance: str) -> None:
    child = children.start(["sh", "-c", "while :; do sleep 1000; done"])
    try:
        asyncio.run(group.create(cpus=0.5, memory_mb=64, pids=50))
        join(group, child.pid)
        assert child.pid in group.processes()
        assert cgroup.all_of(instance) == {ID}
        asyncio.run(group.freeze())
        assert group.frozen()
        asyncio.run(group.remove())
        assert group.processes() == set()
        assert cgroup.all_of(instance) == set()
        asyncio.run(group.remove())
    finally:
        child.kill()
        assert children.wait(child) == -9


def test_limits_can_grow_and_shrink(group: Cgroup) -> None:
    asyncio.run(group.create(cpus=1, memory_mb=64, pids=50))
    for size in (256, 32):
        asyncio.run(group.resize(cpus=0.25, memory_mb=size))
        name = "memory.max" if group.layout.unified else "memory.limit_in_bytes"
        root = group.layout.unified or group.layout.v1["memory"]
        assert int((root / group.oci_path[1:] / name).read_text()) == size << 20


def test_a_kill_for_want_of_memory_is_counted(group: Cgroup) -> None:
    asyncio.run(group.create(cpus=1, memory_mb=32, pids=50))
    script = "import sys; sys.stdin.read(); x = b'1' * (256 << 20)"
    child = children.start(["python3", "-c", script], stdin=-1)
    join(group, child.pid)
    assert child.stdin is not None
    child.stdin.close()
    assert children.wait(child, 120) == -9
    assert group.oom_kills() == 1


@pytest.fixture
def unified(tmp_path: Path) -> Layout:
    (tmp_path / "cgroup.controllers").write_text("cpu io memory pids\n")
    (tmp_path / "cgroup.subtree_control").touch()
    group = tmp_path / "opencomputer-oc" / ID
    group.mkdir(parents=True)
    for name in ("cpu.max", "memory.max", "memory.swap.max", "pids.max", "cgroup.freeze"):
        (group / name).touch()
    (group.parent / "cgroup.controllers").write_text("cpu memory pids\n")
    (group.parent / "cgroup.subtree_control").touch()
    (group / "memory.events").write_text("low 0\noom 3\noom_kill 2\noom_group_kill 0\n")
    (group / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    (group / "cgroup.procs").write_text("11\n12\n")
    return Layout({}, tmp_path)


def test_version_2(unified: Layout, tmp_path: Path) -> None:
    group = Cgroup("oc", ID, unified)
    there = tmp_path / "opencomputer-oc" / ID
    asyncio.run(group.create(cpus=1.5, memory_mb=512, pids=1000))
    assert (there / "cpu.max").read_text() == "150000 100000"
    assert (there / "memory.max").read_text() == str(512 << 20)
    assert (there / "memory.swap.max").read_text() == "0"
    assert (there / "pids.max").read_text() == "1000"
    assert "+" in (tmp_path / "cgroup.subtree_control").read_text()
    assert group.oom_kills() == 2
    assert group.processes() == {11, 12}
    asyncio.run(group.freeze())
    assert (there / "cgroup.freeze").read_text() == "1"
    assert cgroup.missing(unified) == set()
    assert cgroup.all_of("oc", unified) == {ID}


@pytest.mark.parametrize(
    ("mountinfo", "mode", "missing"),
    [
        ("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate", "v2", None),
        (
            "31 23 0:27 / /c/unified rw - cgroup2 cgroup2 rw\n"
            "32 23 0:28 / /c/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
            "33 23 0:29 / /c/memory rw - cgroup cgroup rw,memory\n34 23 0:30 / /c/a\\040b rw - cgroup none rw,name=x",
            "v1",
            {"pids", "freezer"},
        ),
    ],
)
def test_the_layout_is_read_from_the_mounts(mountinfo: str, mode: str, missing: set[str] | None) -> None:
    layout = cgroup.layout(mountinfo)
    assert ("v2" if layout.unified else "v1") == mode
    if missing is not None:
        assert cgroup.missing(layout) == missing
        assert layout.v1["cpu"] == layout.v1["cpuacct"] == Path("/c/cpu,cpuacct")
        assert Path("/c/a b") in layout.roots
