"""Who may run sandboxes, and for whom it is done."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from oc.model.errors import Forbidden
from oc.settings import Settings


def need_root(settings: Settings, command: str) -> None:
    """Raises Forbidden. The fake runtime touches no kernel object, so anybody may run it."""
    if os.geteuid() != 0 and settings.runtime != "fake":
        raise Forbidden(f"{command} makes namespaces, mounts and cgroups and must run as root", hint=f"sudo {command}")


@dataclass(frozen=True, slots=True)
class User:
    """A person with a home directory."""

    uid: int
    gid: int
    name: str
    home: Path


def person() -> User:
    """Who is to use the command line: the one who called sudo, else the one who runs this, at home where HOME says."""
    name = os.environ.get("SUDO_USER") if os.geteuid() == 0 else None
    if name:
        entry = pwd.getpwnam(name)
        return User(entry.pw_uid, entry.pw_gid, entry.pw_name, Path(entry.pw_dir))
    entry = pwd.getpwuid(os.getuid())
    return User(entry.pw_uid, entry.pw_gid, entry.pw_name, Path.home())
