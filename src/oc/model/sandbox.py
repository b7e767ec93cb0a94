"""The sandbox: what is asked for (`Spec`) and what is seen (`Observed`). Frozen structs, no I/O, no clock.

A sandbox has an *origin*: an image, or a checkpoint. Create, fork, wake and restore are one request to a worker:
ensure that this sandbox exists, from this origin.
"""

from __future__ import annotations

import enum
from typing import Literal

import msgspec


class Image(msgspec.Struct, frozen=True, tag_field="kind", tag="image"):
    name: str = "base"


class Checkpoint(msgspec.Struct, frozen=True, tag_field="kind", tag="checkpoint"):
    id: str
    memory: bool = True  # False: only the disk, the sandbox boots


Origin = Image | Checkpoint


class Size(msgspec.Struct, frozen=True):
    cpus: float  # vCPUs, quarter steps
    memory_mb: int
    disk_mb: int


class Spec(msgspec.Struct, frozen=True):
    """What the server asks a worker to ensure. The same spec again is no change."""

    id: str
    size: Size
    origin: Origin = Image()
    envs: dict[str, str] = {}
    template: str = "base"  # what it is told that it was made of
    governed: bool = False  # it does not start where nobody has said what it may send (`model.egress`)


class Status(enum.StrEnum):
    """Public states (contract 4.1)."""

    PENDING = "pending"  # recorded, not yet answering; never in an answer to create
    RUNNING = "running"
    HIBERNATED = "hibernated"
    STOPPED = "stopped"
    ERROR = "error"


class Observed(msgspec.Struct, frozen=True):
    """What a worker says of one sandbox. `lost`: it ran and died; `reason` says of what."""

    id: str
    state: Literal["starting", "running", "frozen", "stopping", "lost"]
    reason: str | None = None
    memory_kills: int = 0


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.RUNNING, Status.ERROR, Status.STOPPED}),
    Status.RUNNING: frozenset({Status.HIBERNATED, Status.ERROR, Status.STOPPED}),
    Status.HIBERNATED: frozenset({Status.RUNNING, Status.ERROR, Status.STOPPED}),
    Status.ERROR: frozenset({Status.STOPPED}),
    Status.STOPPED: frozenset(),
}
