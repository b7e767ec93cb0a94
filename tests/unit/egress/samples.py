"""Policies as the worker writes them."""

from __future__ import annotations

import gzip
import zlib
from ipaddress import IPv4Address

VALUE = "plaintext-of-the-secret"


def secret(**changes: object) -> dict[str, object]:
    return {"name": "KEY", "placeholder": "osb_sealed_" + "0" * 32, "value": VALUE, "hosts": []} | changes


def policy(**changes: object) -> dict[str, object]:
    body: dict[str, object] = {"sandbox": "sb-1", "denyAll": False, "allowHosts": None, "allowCidrs": [], "secrets": []}
    return body | changes


def address(text: str) -> IPv4Address:
    return IPv4Address(text)


def compressed(name: str, data: bytes) -> bytes:
    if name == "two members":
        return gzip.compress(data[:100]) + gzip.compress(data[100:])
    if name == "raw deflate":
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return packer.compress(data) + packer.flush()
    return zlib.compress(data) if name == "deflate" else gzip.compress(data)
