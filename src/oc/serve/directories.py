"""The directories that a host needs, with owners and modes; made before server and worker start."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from oc.model.errors import BadRequest, Failed
from oc.settings import Settings


def prepare(settings: Settings) -> None:
    """Idempotent. Raises Failed, and BadRequest when the server's user cannot get at its directory.

    Everything is root's but `server/`: the server may pass through the data directory and list nothing of it.
    """
    table = [
        (settings.data_dir, 0o711, 0, 0),
        (settings.data_dir / "server", 0o700, settings.server_uid, settings.server_uid),
        (settings.data_dir / "worker", 0o700, 0, 0),
        (settings.egress_state, 0o711, settings.egress_uid, settings.egress_uid),
        (settings.data_dir / "logs", 0o700, 0, 0),
        (settings.run_dir, 0o751, 0, settings.server_uid),  # others pass: the egress proxy has its place in it
    ]
    try:
        for path, mode, uid, gid in table:
            _make(path, mode, uid, gid)
        if os.geteuid() == 0:
            _give(settings.data_dir / "server", settings.server_uid)
    except OSError as error:
        raise Failed(
            f"cannot make {error.filename}: {error.strerror}", hint="choose other places: data_dir, run_dir"
        ) from error
    _check_passable(settings)


def _make(path: Path, mode: int, uid: int, gid: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(path, uid, gid)
    path.chmod(mode)


def _give(directory: Path, uid: int) -> None:
    """Files of a server that ran as another user (`server_uid` was changed) go with their directory."""
    for path in directory.iterdir():
        if path.lstat().st_uid != uid:
            os.chown(path, uid, uid, follow_symlinks=False)


def _check_passable(settings: Settings) -> None:
    if os.geteuid() != 0:
        return
    for parent in (settings.data_dir.resolve(), *settings.data_dir.resolve().parents):
        if not passable(parent, settings.server_uid):
            raise BadRequest(
                f"the server runs as user {settings.server_uid} and cannot pass {parent} to its data",
                hint=f"chmod o+x {parent}, or set data_dir to another place",
            )


def passable(directory: Path, uid: int) -> bool:
    """Whether a user without groups may go through a directory."""
    status = directory.stat()
    return bool(status.st_mode & (stat.S_IXUSR if status.st_uid == uid else stat.S_IXOTH))
