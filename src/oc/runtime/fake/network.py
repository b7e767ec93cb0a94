"""No network of its own: sandboxes are on the host's. One file per attached sandbox, so that leaks can be seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oc.model.egress import Policy
from oc.model.errors import NotSupported

ADDRESS = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Attached:
    netns: Path | None
    address: str


class NoNetwork:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def open(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)

    async def attach(self, id: str, governed: bool = False) -> Attached:
        (self._directory / id).write_text(ADDRESS)
        return Attached(None, ADDRESS)

    async def govern(self, id: str, policy: Policy | None) -> None:
        """Raises NotSupported: what is on the host's network cannot be held back."""
        if policy is not None:
            raise NotSupported("this runtime cannot hold back what a sandbox sends")

    def refused(self, id: str) -> list[Any]:
        return []

    async def address(self, id: str) -> str | None:
        return ADDRESS if (self._directory / id).exists() else None

    @property
    def gateway(self) -> None:
        """All of them have the host's address."""

    def resident(self, address: str) -> str | None:
        return None

    def traffic(self, address: str) -> tuple[int, int]:
        return 0, 0

    async def detach(self, id: str) -> None:
        (self._directory / id).unlink(missing_ok=True)

    async def present(self) -> set[str]:
        return {entry.name for entry in self._directory.iterdir()} if self._directory.exists() else set()

    async def close(self) -> None:
        """Holds nothing."""
