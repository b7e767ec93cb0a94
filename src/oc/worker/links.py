"""Where the data plane gets its way into a sandbox."""

from __future__ import annotations

from typing import Protocol

from oc.worker.agent.link import Link


class Links(Protocol):
    async def link(self, id: str) -> Link:
        """A connected link to the agent of sandbox `id`. Raises NotFound, Gone and Unavailable."""
        ...
