"""`server` and `worker` as processes of their own."""

from __future__ import annotations

import os
import signal

from oc.serve import directories, lock, privileges
from oc.settings import Settings

SUPERVISOR = "OC_SUPERVISOR"  # process id of the `oc-host serve` that started us; not a setting


def enter(settings: Settings, role: str, uid: int | None = None) -> None:
    """Takes the role, becomes its user and ends when its supervisor does. Raises Conflict, Failed and BadRequest."""
    os.umask(0o077)
    directories.prepare(settings)
    lock.of(settings.run_dir, role).hold()
    if uid is not None:
        privileges.become(uid)
    if supervisor := os.environ.pop(SUPERVISOR, None):
        privileges.die_with(int(supervisor), signal.SIGTERM)
