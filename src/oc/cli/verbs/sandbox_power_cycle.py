"""`oc sandbox power-cycle`."""

from __future__ import annotations

from oc.cli.restart import restart

COMMAND = restart("power-cycle", done="power-cycled")
