"""Child processes: which are ours, and the orphans that the kernel hands to a subreaper.

gVisor's processes outlive the `runsc` that started them and become our children when we are a subreaper
(PR_SET_CHILD_SUBREAPER(2const)). Somebody must reap them, but never the children that a Popen is going to wait for:
their exit codes would be lost.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

from oc.host import threads

PR_SET_CHILD_SUBREAPER = 36
REAP_EVERY_S = 0.05

_libc = ctypes.CDLL(None, use_errno=True)
_owned: set[int] = set()
_starting = threading.Lock()  # held from fork to registration: a child may die before Popen has returned


def become_subreaper() -> None:
    """From now on orphaned descendants become children of this process. Call it early, from the main thread.

    An inherited "ignore" of SIGCHLD goes too: with it the kernel discards exit codes (wait(2)).
    """
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def start(argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Popen of a child that `reap_orphans` leaves alone until `wait` here has reaped it."""
    with _starting:
        child = subprocess.Popen(argv, **options)
        _owned.add(child.pid)
    return child


def wait(child: subprocess.Popen[bytes], timeout_s: float | None = None) -> int:
    """Reaps a child of `start`. Raises subprocess.TimeoutExpired."""
    code = child.wait(timeout_s)
    _owned.discard(child.pid)
    return code


async def reap_orphans() -> None:
    """Reaps orphans until cancelled. Every child that this process waits for itself must come from `start`."""
    while True:
        if _any_zombie():
            await threads.call(reap)
        await asyncio.sleep(REAP_EVERY_S)


def reap() -> int:
    """Reaps all dead children that are not owned; returns their number."""
    with _starting:
        return sum(_reap_one(pid) for pid in _children() - _owned)


def _any_zombie() -> bool:
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False


def _reap_one(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG) is not None
    except ChildProcessError:  # somebody was faster
        return False


def _children() -> set[int]:
    """Children of every thread (proc_pid_task(5): `children`; CONFIG_PROC_CHILDREN, in all distributions' kernels)."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            found.update(map(int, (task / "children").read_text().split()))
        except (FileNotFoundError, ProcessLookupError):  # the thread has just ended
            continue
    return found
