"""`oc doctor`."""

from __future__ import annotations

from oc.cli.host_program import hand_over

COMMAND = hand_over("doctor", examples=("oc doctor",))
