"""Where a file is cut into chunks.

A disk changes in place: its chunks are of fixed size, so a change touches the chunks that it is in and no others. The
memory that gVisor saves is packed, pages move when others come and go: there the content says where to cut, after pages
whose checksum is of a certain form, so that the cuts move with it.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator

from oc.blobs.manifest import CHUNK
from oc.host import extents

PAGE = 4096
MASK = 0x7F  # one page in 128 ends a chunk: half a MiB on average
LEAST = 16 * PAGE


def fixed(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Aligned chunks of CHUNK bytes but those that are all hole: the first byte of each, and the one after its last."""
    last = -1
    for start, end in extents.data(descriptor, size):
        for number in range(max(start // CHUNK, last + 1), -(-end // CHUNK)):
            yield number * CHUNK, min((number + 1) * CHUNK, size)
            last = number


def by_content(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    start = position = 0
    while position < size:
        for page in _pages(os.pread(descriptor, CHUNK, position)):
            position += len(page)
            length = position - start
            if length >= CHUNK or (length >= LEAST and zlib.crc32(page) & MASK == 0):
                yield start, position
                start = position
    if start < size:
        yield start, size


def _pages(block: bytes) -> Iterator[memoryview]:
    view = memoryview(block)
    for offset in range(0, len(block), PAGE):
        yield view[offset : offset + PAGE]
