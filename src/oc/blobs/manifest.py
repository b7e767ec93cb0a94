"""A manifest: which files an artifact is made of, and which chunk stands at each place of each file.

How a file is cut into chunks is told in `cuts`. Places without a chunk are zeros.
"""

from __future__ import annotations

import hashlib
import re

import msgspec
import zstandard

CHUNK = 1 << 20  # longest
NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,120}")
MAX_MANIFEST = 64 << 20


class FileMap(msgspec.Struct, frozen=True):
    """`chunks` maps the first byte of a chunk to the digest (BLAKE2b-256) of its plain bytes."""

    size: int
    plain: int  # bytes that are in chunks
    chunks: dict[int, bytes]


class Manifest(msgspec.Struct, frozen=True):
    files: dict[str, FileMap]
    version: int = 1

    def digests(self) -> set[bytes]:
        return {digest for file in self.files.values() for digest in file.chunks.values()}


def pack(manifest: Manifest) -> bytes:
    return zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(manifest))


def unpack(data: bytes) -> Manifest:
    """Raises ValueError for anything that `pack` did not make."""
    try:
        plain = zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_MANIFEST)
        return msgspec.msgpack.decode(plain, type=Manifest)
    except (zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise ValueError(f"not a manifest: {error}") from error


def digest(plain: bytes | memoryview) -> bytes:
    return hashlib.blake2b(plain, digest_size=32).digest()


def chunk_key(digest: bytes) -> str:
    name = digest.hex()
    return f"chunks/{name[:2]}/{name}"


def manifest_key(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"not a name for an artifact: {name!r}")
    return f"manifests/{name}"


def pending_key(name: str) -> str:
    return f"pending/{name}"
