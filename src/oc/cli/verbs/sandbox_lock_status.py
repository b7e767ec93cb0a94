"""`oc sandbox lock-status`."""

from __future__ import annotations

from functools import partial

from oc.cli import scaling_lock
from oc.cli.command import Command

COMMAND = Command(
    partial(scaling_lock.run, locked=None),
    scaling_lock.ID,
    examples=("oc sandbox lock-status sb-1a2b3c4d",),
)
