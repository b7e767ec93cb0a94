"""`oc sandbox unlock`."""

from __future__ import annotations

from functools import partial

from oc.cli import scaling_lock
from oc.cli.command import Command

COMMAND = Command(
    partial(scaling_lock.run, locked=False),
    scaling_lock.ID,
    notes="Autoscaling does not begin again by itself.",
    examples=("oc sandbox unlock sb-1a2b3c4d",),
)
