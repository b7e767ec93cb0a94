"""What an agent's refusal means to the caller: tables from Linux's error numbers to the errors of the contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from errno import (
    EACCES,
    EAGAIN,
    EBUSY,
    EDQUOT,
    EEXIST,
    EINVAL,
    EISDIR,
    ELOOP,
    ENAMETOOLONG,
    ENOENT,
    ENOSPC,
    ENOTDIR,
    ENXIO,
    EPERM,
    EROFS,
    ESRCH,
    EUSERS,
)

from oc.model.errors import BadRequest, Conflict, Failed, Forbidden, NotFound, OpenComputerError, TooMany
from oc.worker.agent.failure import AgentFailed

Table = Mapping[int, type[OpenComputerError]]

SESSIONS: Table = {ESRCH: NotFound, EUSERS: TooMany}
STARTING: Table = {EAGAIN: TooMany, EEXIST: Conflict, EINVAL: BadRequest}  # all else is 500 (contract 2.2.1)
FILES: Table = {
    ENOENT: NotFound,
    EACCES: Forbidden,
    EPERM: Forbidden,
    EROFS: Forbidden,
    EBUSY: Conflict,
    EEXIST: Conflict,
    **dict.fromkeys((EINVAL, EISDIR, ELOOP, ENAMETOOLONG, ENOTDIR, ENXIO), BadRequest),
}
READING: Table = {**FILES, EISDIR: NotFound, ENOTDIR: NotFound}  # contract 2.5.1: `exists()` is false for directories

HINTS = {
    EAGAIN: "kill sessions that are no longer needed, or wait for some to end",
    ENOSPC: "the sandbox's disk is full: remove files, or create the sandbox with a larger disk",
    EDQUOT: "the sandbox's disk is full: remove files, or create the sandbox with a larger disk",
    ENOTDIR: "a part of the path is a file",
    EISDIR: "the path is a directory",
}
LONGEST = 1000  # characters of the agent's words


@contextmanager
def refusals(table: Table) -> Iterator[None]:
    """Raises AgentFailed on as what `table` says, else as Failed (500)."""
    try:
        yield
    except AgentFailed as refusal:
        kind = table.get(refusal.errno, Failed)
        raise kind(refusal.text[:LONGEST], hint=HINTS.get(refusal.errno)) from refusal
