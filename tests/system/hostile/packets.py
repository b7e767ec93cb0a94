"""Sends one packet, made by hand, by a raw socket and as a frame to the gateway. Runs inside a sandbox, as root.

packets.py KIND TARGET SOURCE GATEWAY MAC MARK    KIND: udp:PORT, icmp, syn, gre or arp (claims SOURCE)
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
from collections.abc import Callable

SIOCGIFHWADDR = 0x8927  # netdevice(7)


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def internet(protocol: int, payload: bytes, source: str, target: str) -> bytes:
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0) + ends
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def payload(kind: str, mark: bytes) -> tuple[int, bytes]:
    """Protocol and what is in it. UDP may go without a checksum; that of a SYN is nobody's concern on its way."""
    name, _, port = kind.partition(":")
    if name == "udp":
        return socket.IPPROTO_UDP, struct.pack(">HHHH", 4444, int(port), 8 + len(mark), 0) + mark
    if name == "icmp":
        sum = checksum(struct.pack(">BBHHH", 8, 0, 0, 1, 1) + mark)
        return socket.IPPROTO_ICMP, struct.pack(">BBHHH", 8, 0, sum, 1, 1) + mark
    if name == "syn":
        return socket.IPPROTO_TCP, struct.pack(">HHIIBBHHH", 4444, 80, 1, 0, 0x50, 2, 1024, 0, 0) + mark
    return socket.IPPROTO_GRE, struct.pack(">HH", 0, 0x0800) + mark


def by_raw_socket(packet: bytes, target: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
        sock.sendto(packet, (target, 0))


def by_frame(packet: bytes, type: int, mac: str) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(type)) as sock:
        sock.sendto(packet, ("eth0", type, 0, 0, bytes.fromhex(mac.replace(":", ""))))


def claim(source: str, gateway: str) -> bytes:
    """An ARP reply that nobody asked for (RFC 826)."""
    with socket.socket() as sock:
        mine = fcntl.ioctl(sock, SIOCGIFHWADDR, struct.pack("256s", b"eth0"))[18:24]
    ends = mine + socket.inet_aton(source) + b"\xff" * 6 + socket.inet_aton(gateway)
    return struct.pack(">HHBBH", 1, 0x0800, 6, 4, 2) + ends


def main(kind: str, target: str, source: str, gateway: str, mac: str, mark: str) -> None:
    if kind == "arp":
        print(tried(by_frame, claim(source, gateway), 0x0806, mac))
        return
    packet = internet(*payload(kind, mark.encode()), source, target)
    print("raw", tried(by_raw_socket, packet, target), "frame", tried(by_frame, packet, 0x0800, mac))


def tried(way: Callable[..., None], *arguments: object) -> str:
    try:
        way(*arguments)
    except OSError as error:
        return str(error)
    return "sent"


if __name__ == "__main__":
    main(*sys.argv[1:])
