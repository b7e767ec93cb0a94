"""Named network namespaces, as ip-netns(8) keeps them: a mount of the namespace at /run/netns/NAME."""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from oc.host.syscalls import (
    CLONE_NEWNET,
    MNT_DETACH,
    MS_BIND,
    MS_REC,
    MS_SHARED,
    mount,
    setns,
    umount,
    unshare,
)

T = TypeVar("T")

DIRECTORY = Path("/run/netns")
OWN = "/proc/thread-self/ns/net"


def create(name: str) -> Path:
    """Makes an empty namespace without IPv6, in place of one of that name; returns its path. Blocks for 1 ms."""
    prepare()
    remove(name)
    path = DIRECTORY / name
    path.touch(mode=0o444, exist_ok=False)

    def make() -> None:
        unshare(CLONE_NEWNET)
        for scope in ("all", "default"):
            disable_ipv6(scope)
        mount(OWN, path, None, MS_BIND)

    try:
        in_thread(make)
    except BaseException:
        remove(name)
        raise
    return path


def prepare() -> None:
    """Makes the directory a shared mount, as `ip netns add` would: done later, it would hide and pin what is in it."""
    DIRECTORY.mkdir(mode=0o755, exist_ok=True)
    try:
        mount("", DIRECTORY, None, MS_SHARED | MS_REC)
    except OSError as error:
        if error.errno != errno.EINVAL:  # it is not a mount yet
            raise
        mount(str(DIRECTORY), DIRECTORY, None, MS_BIND | MS_REC)
        mount("", DIRECTORY, None, MS_SHARED | MS_REC)


def remove(name: str) -> None:
    """Takes the name away; the namespace ends with its last process. Fine when there is none."""
    path = DIRECTORY / name
    try:
        umount(path, MNT_DETACH)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOENT}:  # not mounted, as after a crash in `create`; not there
            raise
    path.unlink(missing_ok=True)


def named(prefix: str) -> set[str]:
    """Names that begin so, whole or half-made."""
    if not DIRECTORY.is_dir():
        return set()
    return {path.name for path in DIRECTORY.iterdir() if path.name.startswith(prefix)}


def inside(path: Path, function: Callable[[], T]) -> T:
    """Runs a function in the namespace; sockets that it makes stay there. Blocking."""

    def work() -> T:
        with path.open("rb") as namespace:
            setns(namespace.fileno(), CLONE_NEWNET)
        return function()

    return in_thread(work)


def in_thread(function: Callable[[], T]) -> T:
    """Runs a function in a thread of its own, whose namespaces end with it."""
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function())
        except BaseException as error:  # raised again where it is waited for
            errors.append(error)

    thread = threading.Thread(target=work, name="netns")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def disable_ipv6(scope: str) -> None:
    """For an interface, or for `all` or `default`, of this thread's namespace."""
    with contextlib.suppress(FileNotFoundError):  # the kernel has no IPv6
        Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1")
