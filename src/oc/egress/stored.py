"""Small files that somebody else replaces by rename, read again when they changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from oc.egress import limits, log

T = TypeVar("T")


class Stored(Generic[T]):
    """One parsed value a path. Costs one stat(2) when nothing changed."""

    def __init__(self, parse: Callable[[bytes], T]) -> None:
        self.parse = parse
        self.seen: dict[Path, tuple[tuple[int, ...], T | None]] = {}

    def get(self, path: Path) -> T | None:
        """None if the file is missing, unreadable, too long or malformed."""
        try:
            status = path.stat()
        except OSError:
            self.seen.pop(path, None)
            return None
        version = (status.st_ino, status.st_ctime_ns, status.st_mtime_ns, status.st_size)
        known = self.seen.get(path)
        if known is None or known[0] != version:
            known = version, self.read(path)
            self.seen[path] = known
        return known[1]

    def forget(self) -> None:
        """What is no longer there: it may hold secrets."""
        for path in tuple(self.seen):
            if not path.exists():
                del self.seen[path]

    def read(self, path: Path) -> T | None:
        try:
            with path.open("rb") as file:
                return self.parse(file.read(limits.POLICY_FILE))  # a longer one is cut, and no JSON then
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            # Never the error's text: it may quote the file, which holds secrets.
            log.write("error", "file cannot be used", file=os.fspath(path), error=type(error).__name__)
            return None
