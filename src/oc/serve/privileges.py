"""Root, given up for good: another user, no groups, no capabilities, no way back through set-uid programs."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from types import ModuleType

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38

_libc = ctypes.CDLL(None, use_errno=True)


def become(uid: int) -> None:
    """Nothing happens unless the process is root's. Raises OSError."""
    if os.geteuid() != 0:
        return
    doors = _open_code()
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)  # from root to another user: all capabilities go with it (capabilities(7))
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _reroute_code(doors)
    os.environ["HOME"] = "/"


def die_with(parent: int, number: int) -> None:
    """The process gets this signal when its parent ends. Call it after `become`, which would undo it.

    Ends this process when the parent has gone already (PR_SET_PDEATHSIG(2const)).
    """
    _prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        sys.exit(0)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


# --- code in a place that the new user cannot reach -------------------------------------------------------------------
#
# A checkout in /root is out of reach for a user who may not pass /root. What is imported later (many libraries do that)
# is then found through descriptors that were opened before: /proc/self/fd/N leads to the directory itself, past its
# parents, and a process may always follow its own (proc(5); `same_thread_group` in __ptrace_may_access).


def _open_code() -> dict[str, int]:
    directories = {path for path in sys.path if path and Path(path).is_dir()}
    return {path: os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in directories}


def _reroute_code(doors: dict[str, int]) -> None:
    routes = {}
    for path, fd in doors.items():
        if os.access(path, os.R_OK | os.X_OK):
            os.close(fd)
        else:
            routes[path] = f"/proc/self/fd/{fd}"
    if not routes:
        return
    sys.path[:] = [routes.get(path, path) for path in sys.path]
    for module in list(sys.modules.values()):
        _reroute_package(module, routes)


def _reroute_package(module: ModuleType, routes: dict[str, str]) -> None:
    """Where a package that is imported already looks for its parts."""
    places = getattr(module, "__path__", None)
    if isinstance(places, list):
        places[:] = [_rerouted(place, routes) for place in places]


def _rerouted(place: str, routes: dict[str, str]) -> str:
    """By the longest of the routes: site-packages lies below the standard library."""
    inside = [path for path in routes if place.startswith(f"{path}/")]
    path = max(inside, key=len, default=None)
    return place if path is None else routes[path] + place[len(path) :]
