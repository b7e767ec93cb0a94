"""As much of DNS messages as a forwarder needs (RFC 1035, 4.1), sans-IO."""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER = struct.Struct(">HHHHHH")  # id, flags, questions, answers, authorities, additionals
ANSWER = 0x8000  # flag QR
OPCODE = 0x7800
RECURSION_DESIRED = 0x0100
RECURSION_AVAILABLE = 0x0080
SERVFAIL, REFUSED = 2, 5
TYPE_A, TYPE_AAAA, TYPE_CNAME = 1, 28, 5
CLASS_IN = 1
RECORD = struct.Struct(">HHIH")  # type, class, time to live, length
LONGEST_NAME = 255
LONGEST_LABEL = 63
POINTER = 0xC0


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

    @property
    def name(self) -> str:
        """In lower case, without a dot at its end. What is not ASCII comes as escapes, which match no pattern."""
        labels, at = [], 0
        while length := self.question[at]:
            labels.append(self.question[at + 1 : at + 1 + length].decode("ascii", "backslashreplace"))
            at += 1 + length
        return ".".join(labels).lower()

    @property
    def type(self) -> int:
        return int.from_bytes(self.question[-4:-2], "big")

    def failed(self) -> bytes:
        """ "The name server was unable to process this query" (SERVFAIL)."""
        return self._empty(SERVFAIL)

    def refused(self) -> bytes:
        """ "The name server refuses to perform the specified operation for policy reasons" (REFUSED)."""
        return self._empty(REFUSED)

    def nothing(self) -> bytes:
        """The name has no records of that type."""
        return self._empty(0)

    def _empty(self, code: int) -> bytes:
        flags = ANSWER | RECURSION_AVAILABLE | (self.flags & RECURSION_DESIRED) | code
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


def addresses(message: bytes) -> list[str]:
    """IPv4 addresses in the answers of a message that `answered_by` has let pass. Raises ValueError."""
    _, _, _, answers, _, _ = HEADER.unpack_from(message)
    at = _name_end(message, HEADER.size) + 4
    found = []
    for _ in range(answers):
        at = _skip_name(message, at)
        if at + RECORD.size > len(message):
            raise ValueError("cut off")
        kind, family, _, length = RECORD.unpack_from(message, at)
        at += RECORD.size
        if at + length > len(message):
            raise ValueError("cut off")
        if (kind, family, length) == (TYPE_A, CLASS_IN, 4):
            found.append(".".join(map(str, message[at : at + 4])))
        at += length
    return found


def _skip_name(message: bytes, at: int) -> int:
    """Past a name, which may end in a pointer to an earlier one (RFC 1035, 4.1.4)."""
    while at < len(message):
        length = message[at]
        if length >= POINTER:
            return at + 2
        at += 1 + length
        if length == 0:
            return at
    raise ValueError("cut off")


def _renumbered(message: bytes, id: int) -> bytes:
    return id.to_bytes(2, "big") + message[2:]
