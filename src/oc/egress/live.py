"""Connections that are open, and the end of those that the policy no longer allows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from oc.egress import limits


@dataclass(eq=False)
class Connection:
    source: str
    allowed: Callable[[], bool] = lambda: True
    cut: Callable[[], object] = lambda: None


class Live:
    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self.counts: Counter[str] = Counter()

    @contextmanager
    def entry(self, source: str) -> Iterator[Connection]:
        connection = Connection(source)
        if task := asyncio.current_task():
            connection.cut = task.cancel
        self.connections.add(connection)
        self.counts[source] += 1
        try:
            yield connection
        finally:
            self.connections.discard(connection)
            self.counts[source] -= 1
            if not self.counts[source]:
                del self.counts[source]

    def crowded(self, source: str) -> bool:
        return self.counts[source] > limits.CONNECTIONS

    def flooded(self, source: str) -> bool:
        return self.counts[source] > limits.CONNECTIONS + limits.REFUSALS

    async def check_for_ever(self, before: Callable[[], object]) -> None:
        """`before`: called each time, before the connections are looked at."""
        while True:
            await asyncio.sleep(limits.RECHECK_SECONDS)
            before()
            for connection in list(self.connections):
                if not connection.allowed():
                    connection.cut()
