"""What a control group uses, on this machine and on trees of plain files."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from oc.host import cgroup, children
from oc.host.cgroup import Cgroup, Layout, Usage

ID = "sb-0123abcd"
FILES = {
    1: {
        "cpuacct.usage": "1500000000",
        "memory.usage_in_bytes": "9000",
        "memory.stat": "cache 5\ntotal_inactive_file 4000\ntotal_active_file 500\n",
    },
    2: {
        "cpu.stat": "usage_usec 1500000\nuser_usec 1",
        "memory.current": "9000",
        "memory.stat": "inactive_file 4000\nactive_file 500\n",
    },
}


@pytest.mark.parametrize("version", [1, 2])
def test_usage_is_read_from_the_files_of_either_version(tmp_path: Path, version: int) -> None:
    controllers = {"cpu": tmp_path, "cpuacct": tmp_path, "memory": tmp_path}
    group = Cgroup("x", ID, Layout(controllers, None) if version == 1 else Layout({}, tmp_path))
    assert group.usage() is None
    directory = tmp_path / "opencomputer-x" / ID
    directory.mkdir(parents=True)
    for name, text in FILES[version].items():
        (directory / name).write_text(text)
    assert group.usage() == Usage(1.5, 4500)


def test_a_host_that_does_not_count_says_nothing(tmp_path: Path) -> None:
    assert Cgroup("x", ID, Layout({"memory": tmp_path}, None)).usage() is None


def test_a_group_of_this_machine_is_counted(instance: str) -> None:
    if cgroup.missing():
        pytest.skip(f"this host has no cgroup controllers {cgroup.missing()}")
    group = Cgroup(instance, ID)
    child = children.start(["sh", "-c", "while :; do :; done"])
    try:
        asyncio.run(group.create(cpus=1, memory_mb=64, pids=50))
        for root in _counting(group.layout):
            (root / group.oci_path[1:]).mkdir(parents=True, exist_ok=True)
            (root / group.oci_path[1:] / "cgroup.procs").write_text(str(child.pid))
        deadline = time.monotonic() + 60
        while (usage := group.usage()) is None or usage.cpu_s == 0:
            assert time.monotonic() < deadline, usage
            time.sleep(0.01)
        asyncio.run(group.remove())
        assert group.usage() is None
    finally:
        child.kill()
        children.wait(child)
        asyncio.run(cgroup.remove_all(instance))


def _counting(layout: Layout) -> set[Path]:
    return {layout.unified} if layout.unified else {layout.v1["cpuacct"], layout.v1["memory"]}
