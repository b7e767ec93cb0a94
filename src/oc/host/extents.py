"""Where a file's bytes lie, so that what two clones share is known without reading it.

FIEMAP: Documentation/filesystems/fiemap.rst. Holes: lseek(2), SEEK_DATA.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FS_IOC_FIEMAP = 0xC020660B
FIEMAP_FLAG_SYNC = 0x1
FIEMAP_EXTENT_LAST = 0x1
NO_PLACE = 0x2 | 0x4 | 0x8 | 0x200  # unknown, delayed, encoded, inline: the address says nothing about the bytes
UNWRITTEN = 0x800
HEADER = struct.Struct("=QQIIII")
EXTENT = struct.Struct("=QQQQQIIII")
BATCH = 512


class Extent(NamedTuple):
    """Bytes `start..end` of the file lie at `place` on the device; None where that is not known."""

    start: int
    end: int
    place: int | None


def data(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Ranges of the file that are not holes."""
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        position = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, min(position, size)


def places(path: Path) -> list[Extent]:
    """Extents in file order; what is dirty is written first. Raises OSError where the file system has no FIEMAP."""
    found: list[Extent] = []
    with path.open("rb") as file:
        while batch := _batch(file.fileno(), found[-1].end if found else 0):
            found += [extent for extent, _ in batch]
            if batch[-1][1]:
                break
    return found


def _batch(descriptor: int, start: int) -> list[tuple[Extent, bool]]:
    buffer = bytearray(HEADER.size + BATCH * EXTENT.size)
    HEADER.pack_into(buffer, 0, start, (1 << 63) - start, FIEMAP_FLAG_SYNC, 0, BATCH, 0)
    fcntl.ioctl(descriptor, FS_IOC_FIEMAP, buffer)
    count = HEADER.unpack_from(buffer)[3]
    batch = []
    for number in range(count):
        logical, physical, length, _, _, flags, *_ = EXTENT.unpack_from(buffer, HEADER.size + number * EXTENT.size)
        known = not flags & (NO_PLACE | UNWRITTEN)
        batch.append((Extent(logical, logical + length, physical if known else None), bool(flags & FIEMAP_EXTENT_LAST)))
    return batch


def shared(one: Path, other: Path) -> list[tuple[int, int]]:
    """Ranges, in order, that hold the same bytes in both files because they lie at the same place.

    Empty where the file system does not say. Holes are not listed: they cost nothing to read.
    """
    try:
        ours, theirs = places(one), places(other)
    except OSError:
        return []
    return _merge(list(_common(ours, theirs)))


def _common(ours: list[Extent], theirs: list[Extent]) -> Iterator[tuple[int, int]]:
    i = j = 0
    while i < len(ours) and j < len(theirs):
        a, b = ours[i], theirs[j]
        start, end = max(a.start, b.start), min(a.end, b.end)
        if start < end and _offset(a) == _offset(b) is not None:
            yield start, end
        if a.end <= b.end:
            i += 1
        else:
            j += 1


def _offset(extent: Extent) -> int | None:
    return None if extent.place is None else extent.place - extent.start


def _merge(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in ranges:
        if merged and merged[-1][1] == start:
            merged[-1] = merged[-1][0], end
        else:
            merged.append((start, end))
    return merged
