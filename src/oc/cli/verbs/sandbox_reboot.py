"""`oc sandbox reboot`."""

from __future__ import annotations

from oc.cli.restart import restart

COMMAND = restart("reboot", done="rebooted")
