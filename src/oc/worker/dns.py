"""As much of DNS messages as a forwarder needs (RFC 1035, 4.1), sans-IO."""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER = struct.Struct(">HHHHHH")  # id, flags, questions, answers, authorities, additionals
ANSWER = 0x8000  # flag QR
OPCODE = 0x7800
RECURSION_DESIRED = 0x0100
RECURSION_AVAILABLE = 0x0080
SERVFAIL = 2
LONGEST_NAME = 255
LONGEST_LABEL = 63


@dataclass(frozen=True, slots=True)
class Query:
    message: bytes
    id: int
    flags: int
    question: bytes  # name, type and class, as they came

    def with_id(self, id: int) -> bytes:
        return _renumbered(self.message, id)

    def answer(self, message: bytes) -> bytes:
        """The answer to `with_id`'s message, as the answer to this one."""
        return _renumbered(message, self.id)

    def failed(self) -> bytes:
        """ "The name server was unable to process this query" (SERVFAIL)."""
        flags = ANSWER | RECURSION_AVAILABLE | (self.flags & RECURSION_DESIRED) | SERVFAIL
        return HEADER.pack(self.id, flags, 1, 0, 0, 0) + self.question

    def answered_by(self, message: bytes, id: int) -> bool:
        """Whether a message is the answer to this query, sent under another id."""
        try:
            there, flags, question = _parse(message)
        except ValueError:
            return False
        return there == id and bool(flags & ANSWER) and question.lower() == self.question.lower()


def parse(message: bytes) -> Query:
    """Raises ValueError on what is not one standard question."""
    id, flags, question = _parse(message)
    if flags & (ANSWER | OPCODE):
        raise ValueError("not a standard query")
    return Query(message, id, flags, question)


def _parse(message: bytes) -> tuple[int, int, bytes]:
    if len(message) < HEADER.size:
        raise ValueError("too short")
    id, flags, questions, *_ = HEADER.unpack_from(message)
    if questions != 1:
        raise ValueError("not one question")
    end = _name_end(message, HEADER.size) + 4  # type and class follow the name
    if end > len(message):
        raise ValueError("cut off")
    return id, flags, message[HEADER.size : end]


def _name_end(message: bytes, at: int) -> int:
    limit = min(len(message), at + LONGEST_NAME)
    while at < limit:
        length = message[at]
        at += 1 + length
        if length == 0:
            return at
        if length > LONGEST_LABEL:  # a pointer: nothing comes before the question that it could point to
            break
    raise ValueError("bad name")


def _renumbered(message: bytes, id: int) -> bytes:
    return id.to_bytes(2, "big") + message[2:]
