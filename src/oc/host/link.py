"""One virtual cable (veth(4)) between the host and a network namespace, over netlink.

The host end has the gateway's address and a route to the one address at the other end; no bridge, so that every packet
between two namespaces passes the host's routing and its filter.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import IPRoute  # type: ignore[import-untyped]
from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]

from oc.host import netns, sysfs

SYSFS = Path("/sys/class/net")
INSIDE = "eth0"
RT_SCOPE_LINK = 253
DEFAULT_MTU = 1500
IPV4_SETTINGS = {"forwarding": "1", "arp_ignore": "1"}  # ip-sysctl.rst; 1: the host's other addresses are not told


@dataclass(frozen=True, slots=True)
class Cable:
    name: str  # of the host end, at most 15 characters
    alias: str  # of the host end: whom it is for (kept by the kernel, so that it outlives us)
    netns: Path
    gateway: str
    address: str
    prefix: int  # length, as the inside sees its network
    mtu: int


def connect(cable: Cable) -> None:
    """Makes both ends, with addresses and routes, up. Blocking, a few milliseconds; raises OSError (NetlinkError)."""
    with IPRoute() as host, cable.netns.open("rb") as namespace:
        peer = {"ifname": INSIDE, "net_ns_fd": namespace.fileno(), "mtu": cable.mtu}
        host.link("add", ifname=cable.name, kind="veth", mtu=cable.mtu, peer=peer)
        index = host.link_lookup(ifname=cable.name)[0]
        host.link("set", index=index, ifalias=cable.alias)
        netns.disable_ipv6(cable.name)
        for name, value in IPV4_SETTINGS.items():
            Path(f"/proc/sys/net/ipv4/conf/{cable.name}/{name}").write_text(value)
        host.link("set", index=index, state="up")
        host.addr("add", index=index, address=cable.gateway, prefixlen=32)
        host.route("add", dst=f"{cable.address}/32", oif=index, prefsrc=cable.gateway, scope=RT_SCOPE_LINK)
    netns.inside(cable.netns, lambda: _connect_inside(cable))


def _connect_inside(cable: Cable) -> None:
    with IPRoute() as here:
        lo, eth0 = (here.link_lookup(ifname=name)[0] for name in ("lo", INSIDE))
        here.addr("add", index=eth0, address=cable.address, prefixlen=cable.prefix)
        for index in (lo, eth0):
            here.link("set", index=index, state="up")
        here.route("add", dst="default", gateway=cable.gateway)


def give(name: str, address: str) -> None:
    """Another address for an interface; fine when it has it. Raises OSError (NetlinkError)."""
    with IPRoute() as host:
        host.addr("replace", index=host.link_lookup(ifname=name)[0], address=address, prefixlen=32)


def take(name: str, address: str) -> None:
    """Fine when it does not have it."""
    with IPRoute() as host:
        try:
            host.addr("del", index=host.link_lookup(ifname=name)[0], address=address, prefixlen=32)
        except NetlinkError as error:
            if error.code != errno.EADDRNOTAVAIL:
                raise


def disconnect(name: str) -> None:
    """Removes the cable, both ends, and the host's address and route with it; fine when there is none."""
    with IPRoute() as host:
        try:
            host.link("del", ifname=name)
        except NetlinkError as error:
            if error.code != errno.ENODEV:
                raise


def aliases(prefix: str) -> dict[str, str]:
    """Host ends whose names begin so -> their aliases; an empty one was being made when its maker died.

    From sysfs, which is many times faster than a netlink dump of all links.
    """
    found: dict[str, str] = {}
    for entry in SYSFS.iterdir():
        if entry.name.startswith(prefix) and (alias := sysfs.read(entry / "ifalias")) is not None:
            found[entry.name] = alias
    return found


def alias(name: str) -> str | None:
    """Of the host end of that name; None when there is none."""
    return sysfs.read(SYSFS / name / "ifalias")


def traffic(name: str) -> tuple[int, int]:
    """Bytes that have come out of the other end of a cable, and gone in there; zeros when there is none."""
    texts = (sysfs.read(SYSFS / name / "statistics" / f"{way}_bytes") for way in ("tx", "rx"))
    received, sent = (int(text or 0) for text in texts)
    return received, sent


def uplink_mtu() -> int:
    """MTU of the interface of the host's default route: what a packet to the outside must fit in."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        name, destination = line.split()[:2]
        if destination == "00000000":
            return int((SYSFS / name / "mtu").read_text())
    return DEFAULT_MTU
