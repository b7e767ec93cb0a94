"""Scripted faults: a JSON file that tests write, read again at each call.

    [{"call": "start", "id": "sb-00000001", "error": "no such luck"},
     {"call": "remove", "until": "/tmp/go"}]

An entry without an id is for all. `until`: the call waits for that file; `error`: then it fails with these words.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from oc.model.errors import Failed

LOOK_EVERY_S = 0.01


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    call: str
    id: str | None = None
    until: str | None = None
    error: str | None = None


class Script:
    def __init__(self, path: Path) -> None:
        self._path = path

    async def play(self, call: str, id: str) -> None:
        """Raises Failed when the script says so."""
        for fault in self._faults():
            if fault.call == call and fault.id in {None, id}:
                await _gate(fault.until)
                if fault.error is not None:
                    raise Failed(fault.error)

    def _faults(self) -> list[Fault]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=list[Fault])
        except FileNotFoundError:
            return []


async def _gate(until: str | None) -> None:
    while until is not None and not Path(until).exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(LOOK_EVERY_S)
