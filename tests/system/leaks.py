"""What an instance has on the host: every kind of thing that a sandbox is made of, found by its exact name."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.system.stack import Stack


def holdings(stack: Stack) -> dict[str, set[str]]:
    """By kind, the names of all that belongs to some sandbox of this stack."""
    return {
        "processes": _processes(stack),
        "mounts": _mounts(stack),
        "loop devices": _loops(stack),
        "namespaces": _named("/run/netns", f"{stack.instance}-"),
        "links": _links(stack),
        "cgroups": _cgroups(stack),
        "disks": _entries(stack.data_dir / "pool" / "disks"),
        "journals": _entries(stack.data_dir / "worker" / "sandboxes"),
        "roots": _entries(stack.run_dir / "roots"),
        "runtime state": _entries(stack.run_dir / "runsc"),
    }


def leaks(stack: Stack, *living: str) -> dict[str, set[str]]:
    """What is held beyond what the living sandboxes need; empty when nothing leaked."""
    found = {}
    for kind, names in holdings(stack).items():
        foreign = {name for name in names if not any(id in name for id in living)}
        if kind == "links":  # they are named after slots, not ids
            foreign = names if len(names) > len(living) else set()
        if foreign:
            found[kind] = foreign
    return found


def _processes(stack: Stack) -> set[str]:
    """Sandboxes' processes on the host name this stack's runtime directory in their command line."""
    found = set()
    marks = (f"{stack.run_dir}/runsc".encode(), f"{stack.run_dir}/roots".encode())
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(mark in line for mark in marks):
            found.add(f"{entry.name} {line.replace(bytes(1), b' ').decode(errors='replace')}")
    return found


def _mounts(stack: Stack) -> set[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {point for line in lines if (point := line.split()[4]).startswith(f"{stack.run_dir}/")}


def _loops(stack: Stack) -> set[str]:
    disks = f"{stack.data_dir}/pool/disks/"
    files = (path / "loop" / "backing_file" for path in Path("/sys/block").glob("loop*"))
    backing = (file.read_text().strip() for file in files if file.exists())
    return {path for path in backing if path.startswith(disks)}


def _links(stack: Stack) -> set[str]:
    listed = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    return {line.split("@")[0].split()[0] for line in listed.splitlines() if line.startswith(f"{stack.instance}-")}


def _cgroups(stack: Stack) -> set[str]:
    found = set()
    for base in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()):
        group = base / f"opencomputer-{stack.instance}"
        if group.is_dir():
            found |= {f"{base.name}/{child.name}" for child in group.iterdir() if child.is_dir()}
    return found


def _named(directory: str, prefix: str) -> set[str]:
    path = Path(directory)
    return {entry.name for entry in path.iterdir() if entry.name.startswith(prefix)} if path.is_dir() else set()


def _entries(directory: Path) -> set[str]:
    return {entry.name for entry in directory.iterdir()} if directory.is_dir() else set()
