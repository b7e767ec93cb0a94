"""`oc checkpoint unpublish`."""

from __future__ import annotations

from oc.cli.publication import publication

COMMAND = publication("unpublish")
