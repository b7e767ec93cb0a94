"""The names that our resolver answered to a sandbox: what it may mean by an address that it dials."""

from __future__ import annotations

import json
from pathlib import Path

from oc.egress.names import Address
from oc.egress.stored import Stored

Names = dict[str, list[str]]


class Pins:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files = Stored(parse)

    def names(self, source: str, dialled: Address) -> list[str]:
        """That this sandbox was told to be at this address. The resolver writes them before its answer goes out."""
        return (self.files.get(self.directory / f"{source}.pins.json") or {}).get(str(dialled), [])


def parse(data: bytes) -> Names:
    return {address: [name.lower().removesuffix(".") for name in names] for address, names in json.loads(data).items()}
