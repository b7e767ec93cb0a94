"""Host names as one spelling each, so that two spellings of a host cannot be two answers to "is it allowed?"."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address

LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # what inet_aton(3) takes as a part of an address
AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?")
LONGEST = 253  # RFC 1035 2.3.4, without the final dot


def normal(text: str) -> str | Address:
    """A host name in lower case, as ASCII (IDNA), without a final dot; or an address.

    Raises ValueError for what is neither, and for addresses in any spelling but four decimal numbers or RFC 4291:
    `2130706433`, `0x7f.1` and `0177.0.0.1` mean 127.0.0.1 to some programs and are names to others.
    """
    if text.startswith("[") and text.endswith("]"):
        return literal(text[1:-1])
    name = (text if text.isascii() else text.encode("idna").decode("ascii")).lower().removesuffix(".")
    if ":" in name:
        return literal(name)
    labels = name.split(".")
    if NUMBER.fullmatch(labels[-1]):
        return IPv4Address(name)
    if len(name) > LONGEST or not all(LABEL.fullmatch(label) for label in labels):
        raise ValueError("this is not a host name")
    return name


def literal(text: str) -> Address:
    if "%" in text:
        raise ValueError("an address with a zone means something on its own host only")
    return unmapped(IPv6Address(text))


def unmapped(address: IPv6Address) -> Address:
    """::ffff:127.0.0.1 is 127.0.0.1 to the kernel."""
    return address.ipv4_mapped or address


def authority(text: str) -> tuple[str | Address, int | None]:
    """host[:port] of a Host header, :authority or CONNECT. Raises ValueError, for user names too."""
    match = AUTHORITY.fullmatch(text)
    if not match:
        raise ValueError("this is not a host with a port")
    port = int(match[2]) if match[2] else None
    if port is not None and not 0 < port < 65536:
        raise ValueError("ports are from 1 to 65535")
    return normal(match[1]), port


def numeric(text: str) -> Address:
    """Of the kernel's own text."""
    address = ip_address(text.partition("%")[0])
    return unmapped(address) if isinstance(address, IPv6Address) else address
