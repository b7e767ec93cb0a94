"""An object store in memory that fails when it is told to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from obstore.store import MemoryStore

from oc.blobs.errors import BlobUnavailable
from oc.blobs.objects import MISSING, Missing, Objects


class Faulty(Objects):
    """A store whose call number `fails_at` fails, and all after it until `heal`."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), "memory", 0)
        self.calls, self.fails_at = 0, -1

    def heal(self) -> None:
        self.calls, self.fails_at = 0, -1

    async def _try(self, deed: str, call: Callable[[], Awaitable[Any]], missing: Missing = MISSING) -> Any:
        self.calls += 1
        if 0 <= self.fails_at < self.calls:
            raise BlobUnavailable(f"could not {deed}")
        return await super()._try(deed, call, missing)
