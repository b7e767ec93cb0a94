"""`oc sandbox lock`."""

from __future__ import annotations

from functools import partial

from oc.cli import scaling_lock
from oc.cli.command import Command

COMMAND = Command(
    partial(scaling_lock.run, locked=True),
    scaling_lock.ID,
    notes="It keeps its size, whoever asks for another: clients, programs inside, autoscaling, which this ends.",
    examples=("oc sandbox lock sb-1a2b3c4d",),
)
