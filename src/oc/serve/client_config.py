"""The configuration of somebody's command line, `~/.oc/config.json` (cli-contract, Configuration), written by root.

It is in a directory that its owner controls: no link is followed, and what is written belongs to the owner.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oc.model.errors import Failed
from oc.serve.root import User

NAME = "config.json"


@dataclass(frozen=True, slots=True)
class ClientConfig:
    owner: User

    @property
    def path(self) -> Path:
        return self.owner.home / ".oc" / NAME

    def read(self) -> dict[str, Any]:
        """Empty when there is none. Raises Failed when it is no JSON object."""
        try:
            values = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except (ValueError, OSError) as error:
            raise Failed(f"cannot read {self.path}: {error}", hint=f"mend it, or move it away: {self.path}") from error
        if not isinstance(values, dict):
            raise Failed(f"{self.path} does not hold a JSON object", hint=f"mend it, or move it away: {self.path}")
        return values

    def write(self, values: dict[str, Any], name: str = NAME) -> None:
        """Replaces the file atomically; only its owner can read it. Raises Failed."""
        try:
            with self._directory() as directory:
                self._replace(directory, name, json.dumps(values, indent=2) + "\n")
        except OSError as error:
            raise Failed(f"cannot write {self.path.with_name(name)}: {error.strerror}") from error

    @contextlib.contextmanager
    def _directory(self) -> Iterator[int]:
        with contextlib.suppress(FileExistsError):
            self.path.parent.mkdir(mode=0o700)
        directory = os.open(self.path.parent, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchown(directory, self.owner.uid, self.owner.gid)
            os.fchmod(directory, 0o700)
            yield directory
        finally:
            os.close(directory)

    def _replace(self, directory: int, name: str, text: str) -> None:
        fresh = f".{name}.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):  # no process of this number was killed here
            os.unlink(fresh, dir_fd=directory)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory)
        with os.fdopen(fd, "w") as file:
            os.fchown(fd, self.owner.uid, self.owner.gid)
            file.write(text)
            file.flush()
            os.fsync(fd)
        os.rename(fresh, name, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)
