"""The artifacts that this host holds whole: `pool/artifacts/<id>/`, a cache of what is in the blob store, and the only
copy of what has not arrived there yet.

A directory has its name only once it is complete, so whatever a killed worker left half-made is told by its name.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import msgspec

from oc.host import durable
from oc.model.artifact import Artifact
from oc.model.errors import NotFound
from oc.model.ids import UUID
from oc.model.sandbox import Size

RECORD = "record.json"  # stays here
TRAVELS = "artifact.json"  # goes with the artifact
DISK = "disk.img"
MEMORY = "memory"
HALF = ".half"


class Contents(msgspec.Struct, frozen=True):
    """What must be known to run a sandbox from an artifact; stored with it."""

    sandbox: str
    size: Size
    envs: dict[str, str]
    memory: bool
    build: str  # of the runtime that saved the memory, which alone can load it
    token: str  # hex, that the agent in that memory asks for
    base: str | None = None  # name of an artifact that its disk was cloned from: most chunks are the same


class Shelf:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self) -> None:
        """Removes what was half-made."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self._directory.glob(f"*{HALF}"):
            shutil.rmtree(path)

    def path(self, id: str) -> Path:
        return self._directory / id

    def begin(self, id: str) -> Path:
        """A new directory to fill; `commit` makes it the artifact, `abandon` removes it."""
        path = self._directory / f"{id}{HALF}"
        if path.exists():
            shutil.rmtree(path)
        path.mkdir(mode=0o700)
        return path

    def commit(self, id: str, contents: Contents, record: Artifact) -> None:
        """Syncs all that `begin`'s directory holds and gives it its name."""
        path = self._directory / f"{id}{HALF}"
        durable.write_file(path / TRAVELS, msgspec.json.encode(contents))
        durable.write_file(path / RECORD, msgspec.json.encode(record))
        _sync(path)
        shutil.rmtree(self.path(id), ignore_errors=True)  # what `drop` has left
        path.rename(self.path(id))
        durable.sync_directory(self._directory)

    def abandon(self, id: str) -> None:
        shutil.rmtree(self._directory / f"{id}{HALF}", ignore_errors=True)

    def has(self, id: str) -> bool:
        """Whether all of it is here."""
        return (self.path(id) / TRAVELS).exists()

    def knows(self, id: str) -> bool:
        """Whether it is here, or has been until it was dropped."""
        return (self.path(id) / RECORD).exists()

    def ids(self) -> list[str]:
        """Of what is for the blob store, or has gone there; oldest first."""
        kept = []
        for path in self._directory.iterdir():
            if UUID.fullmatch(path.name) and (path / RECORD).exists():
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    kept.append((path.stat().st_mtime, path.name))
        return [name for _, name in sorted(kept)]

    def records(self) -> list[Artifact]:
        """Of all `ids`."""
        found = []
        for id in self.ids():
            with contextlib.suppress(NotFound):  # deleted meanwhile
                found.append(self.record(id))
        return found

    def record(self, id: str) -> Artifact:
        """Raises NotFound."""
        return msgspec.json.decode(self._read(id, RECORD), type=Artifact)

    def contents(self, id: str) -> Contents:
        """Raises NotFound."""
        return msgspec.json.decode(self._read(id, TRAVELS), type=Contents)

    def _read(self, id: str, file: str) -> bytes:
        try:
            return (self.path(id) / file).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"no artifact {id} on this host") from None

    def note(self, record: Artifact) -> None:
        durable.write_file(self.path(record.id) / RECORD, msgspec.json.encode(record))

    def files(self, id: str) -> dict[str, Path]:
        """What goes to the blob store: everything but the record, by its name in the artifact."""
        base = self.path(id)
        found = (path for path in base.rglob("*") if path.is_file() and path.name != RECORD)
        return {str(path.relative_to(base)): path for path in found}

    def drop(self, id: str) -> None:
        """Removes all but the record: what is in the blob store need not be here too."""
        (self.path(id) / TRAVELS).unlink(missing_ok=True)
        for path in self.path(id).iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != RECORD:
                path.unlink()

    def remove(self, id: str) -> None:
        """Fine when it is not there. Renamed first, so that a half removed one is never taken for whole."""
        half = self._directory / f"{id}{HALF}"
        if self.path(id).exists():
            self.abandon(id)
            self.path(id).rename(half)
        shutil.rmtree(half, ignore_errors=True)


def _sync(directory: Path) -> None:
    for path in directory.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            durable.sync_directory(path)
    durable.sync_directory(directory)
