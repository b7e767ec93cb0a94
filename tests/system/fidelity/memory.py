"""Anonymous memory with known contents, touched page by page."""

from __future__ import annotations

import hashlib
import mmap

from .probe import expect, known_bytes

MB = 1 << 20


class Memory:
    name = "memory"

    def __init__(self, seed: str, megabytes: int) -> None:
        self._pages = mmap.mmap(-1, megabytes * MB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        digest = hashlib.sha256()
        for number in range(megabytes):
            piece = known_bytes(f"{seed} {number}", MB)
            self._pages.write(piece)
            digest.update(piece)
        self._digest = digest.hexdigest()

    def check(self) -> None:
        expect(hashlib.sha256(self._pages).hexdigest(), self._digest, f"digest of {len(self._pages)} bytes")
