"""What this host has been asked for, one file per sandbox: written before each side effect that must be found again."""

from __future__ import annotations

import enum
from pathlib import Path

import msgspec
import structlog

from oc.host import durable
from oc.model.ids import SANDBOX
from oc.model.sandbox import Size, Spec

log = structlog.get_logger()


class Step(enum.StrEnum):
    MAKING = "making"  # parts of it may be there
    RUNNING = "running"
    FROZEN = "frozen"  # it stands still, with all that it holds
    RESTORING = "restoring"  # until it is done, it is what its undo artifact says
    REBOOTING = "rebooting"  # only its disk counts
    LOST = "lost"  # it died; its disk is kept until the server removes the sandbox
    REMOVING = "removing"  # parts of it may be gone


class Record(msgspec.Struct, frozen=True):
    spec: Spec
    step: Step
    token: bytes = b""
    reason: str | None = None  # of what it died
    memory_kills: int = 0  # when it died; the agent counts while it runs
    base: str | None = None  # artifact that its disk was cloned from, or was last saved as

    @classmethod
    def of_unknown(cls, id: str, step: Step, reason: str | None = None) -> Record:
        """For a sandbox of which only the id is known: enough to remove it."""
        return cls(Spec(id, Size(0, 0, 0)), step, reason=reason)


class Journal:
    """Blocking, each call an fsync or two: call it from a thread."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def open(self) -> dict[str, Record]:
        """All records by id. Removes what interrupted writes left."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in self.directory.glob(".*"):
            leftover.unlink()
        names = (path.name.removesuffix(".json") for path in self.directory.glob("*.json"))
        return {id: self._read(id) for id in names if SANDBOX.fullmatch(id)}

    def write(self, record: Record) -> None:
        durable.write_file(self._path(record.spec.id), msgspec.json.encode(record))

    def delete(self, id: str) -> None:
        self._path(id).unlink(missing_ok=True)
        durable.sync_directory(self.directory)

    def _read(self, id: str) -> Record:
        """A damaged record is a lost sandbox, not one that never was: its owner is told."""
        try:
            record = msgspec.json.decode(self._path(id).read_bytes(), type=Record)
        except msgspec.DecodeError:
            log.exception("damaged record", sandbox=id)
            return Record.of_unknown(id, Step.LOST, "its record on the host is damaged")
        return record

    def _path(self, id: str) -> Path:
        return self.directory / f"{id}.json"
