"""An artifact: a sandbox's disk, and with it or without it its memory, as they were at one moment.

A checkpoint and a hibernation are the same thing here; what differs is what the server remembers of them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from oc.model.sandbox import Size


class Artifact(msgspec.Struct, frozen=True):
    """What a worker says of an artifact. `storing`: whole on this host, on its way to the blob store."""

    id: str
    sandbox: str
    memory: bool
    size: Size
    state: Literal["storing", "stored", "failed"]
    reason: str | None = None  # of `failed`; of `storing`: why it has to wait
    plain_bytes: int = 0
    stored_bytes: int = 0
    paused_ms: int = 0
