"""Which addresses are the internet."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

from oc.egress.names import Address

# What `is_global` of the standard library calls global, or did in some version, and is not a host of the internet.
NOT_A_HOST = [
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; metadata services of some clouds live here
        "168.63.129.16/32",  # the wire server of Azure: answers to the host it runs on
        "192.0.0.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "64:ff9b::/96",  # NAT64 and below: IPv4 addresses inside IPv6 ones
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
        "fec0::/10",
        "ff00::/8",
    )
]

# RFC 5737: nothing of a host's own lives there. The worker's filter lets them pass too (`worker.firewall`).
DOCUMENTATION = [ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]


def public(address: Address) -> bool:
    """On the internet, and not this host itself (whose services sandboxes must not reach)."""
    return (
        (address.is_global or within(address, DOCUMENTATION))
        and not address.is_multicast
        and not within(address, NOT_A_HOST)
        and not is_ours(address)
    )


def within(address: Address, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def is_ours(address: Address) -> bool:
    """An address of this host: the kernel then chooses it as the source too. Nothing is sent by connect(2) on UDP."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))
        except OSError:  # no route: then it is not ours either
            return False
        return str(probe.getsockname()[0]) == str(address)
