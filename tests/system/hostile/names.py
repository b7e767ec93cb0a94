"""Asks a name server and prints the code of each answer, `none` where none came. Runs inside a sandbox.

names.py SERVER udp|tcp SECONDS TYPES NAME...    TYPES: numbers with commas
"""

from __future__ import annotations

import socket
import struct
import sys


def question(name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return bytes.fromhex("abcd01000001000000000000") + labels + b"\0" + struct.pack(">HH", kind, 1)


def ask(server: str, protocol: str, seconds: float, message: bytes) -> int | None:
    kind, framed = socket.SOCK_DGRAM, message
    if protocol == "tcp":
        kind, framed = socket.SOCK_STREAM, struct.pack(">H", len(message)) + message
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.settimeout(seconds)
        try:
            sock.connect((server, 53))
            sock.sendall(framed)
            answer = sock.recv(65536)[len(framed) - len(message) :]
        except OSError:
            return None
    return answer[3] & 15 if len(answer) > 3 else None


def main(server: str, protocol: str, seconds: str, kinds: str, *names: str) -> None:
    codes = set()
    for kind in kinds.split(","):
        for name in names:
            codes.add(ask(server, protocol, float(seconds), question(name, int(kind))))
    print(*sorted(str(code).lower() for code in codes))


if __name__ == "__main__":
    main(*sys.argv[1:])
