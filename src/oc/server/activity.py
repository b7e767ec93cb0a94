"""When each sandbox was last used (contract 4.2): a clock in memory, written to rows from time to time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from oc.api.timestamps import SECOND, now
from oc.store.sandboxes import Sandbox

FLUSH_S = 10.0


class Activity:
    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._unwritten: set[str] = set()
        self._busy: Counter[str] = Counter()

    def touch(self, id: str) -> None:
        self._last[id] = now()
        self._unwritten.add(id)

    @contextmanager
    def busy(self, id: str) -> Iterator[None]:
        """A call that is being answered is traffic from its beginning to its end."""
        self.touch(id)
        self._busy[id] += 1
        try:
            yield
        finally:
            self._busy[id] -= 1
            self.touch(id)

    def expired(self, sandbox: Sandbox) -> bool:
        """A row may be behind by FLUSH_S, if the server was killed: what is known from it alone gets as much longer."""
        if not sandbox.wish.timeout_s or self._busy[sandbox.id]:
            return False
        last = self._last.get(sandbox.id, sandbox.last_active_at + int(FLUSH_S * SECOND))
        return max(last, sandbox.last_active_at) + sandbox.wish.timeout_s * SECOND <= now()

    def unwritten(self) -> dict[str, int]:
        """What rows do not know yet; they are taken to know it from now on."""
        taken = {id: self._last[id] for id in self._unwritten if id in self._last}
        self._unwritten.clear()
        return taken

    def keep_only(self, ids: Collection[str]) -> None:
        """Forgets sandboxes that are no more."""
        for id in self._last.keys() - set(ids):
            if not self._busy[id]:
                del self._last[id], self._busy[id]
