"""Every message survives the wire, however it is cut; what breaks a rule is a ProtocolError and nothing else."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from itertools import pairwise
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oc.wire.codec import BY_KIND, MESSAGES, Decoder, ProtocolError, encode
from oc.wire.kinds import CHUNK, MAX_TEXT, Octets, String, Strings, Unsigned
from oc.wire.messages import MAX_FRAME, Credit, Data, Ending, Exited, Hello, Message, Output, Ping, Read, Start

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def values(kind: object) -> st.SearchStrategy[object]:
    match kind:
        case Unsigned(size=size, low=low, high=high):
            return st.integers(low, (1 << 8 * size) - 1 if high is None else high)
        case Octets():
            return st.binary(max_size=300)
        case String():
            return TEXT
        case Strings():
            return st.lists(TEXT, max_size=5).map(tuple)
    raise AssertionError(kind)


def messages(kind: type[Message]) -> st.SearchStrategy[Message]:
    hints = get_type_hints(kind, include_extras=True)
    return st.builds(kind, *(values(get_args(hints[field.name])[1]) for field in fields(kind)))  # type: ignore[arg-type]


ANY = st.one_of([messages(kind) for kind in BY_KIND.values()])
STREAM = st.integers(0, 0xFFFFFFFF)


def test_kinds_are_numbered_once() -> None:
    assert len(BY_KIND) == len(MESSAGES)


@given(st.lists(st.tuples(STREAM, ANY), max_size=6), st.lists(st.integers(0, 2000), max_size=8))
def test_round_trip_however_cut(sent: list[tuple[int, Message]], cuts: list[int]) -> None:
    raw = b"".join(encode(stream, message) for stream, message in sent)
    edges = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    decoder = Decoder()
    pieces = [raw[start:end] for start, end in pairwise(edges)]
    assert [pair for piece in pieces for pair in decoder.feed(piece)] == sent


@given(st.binary(max_size=200))
def test_garbage_is_a_protocol_error_or_nothing(garbage: bytes) -> None:
    with suppress(ProtocolError):  # the promise is that nothing else is raised
        Decoder().feed(garbage)


@given(STREAM, ANY, st.data())
def test_a_changed_byte_never_raises_anything_else(stream: int, message: Message, data: st.DataObject) -> None:
    raw = bytearray(encode(stream, message))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ProtocolError):  # as above
        Decoder().feed(bytes(raw))


def frame(kind: int, payload: bytes) -> bytes:
    return (5 + len(payload)).to_bytes(4, "big") + bytes([kind]) + bytes(4) + payload


BROKEN = {
    "size below the head": b"\0\0\0\4",
    "size above MAX_FRAME": (MAX_FRAME + 1).to_bytes(4, "big"),
    "unknown kind": frame(200, b""),
    "bytes too many": frame(Ping.KIND, b"x"),
    "field past the end": frame(Credit.KIND, b"\0\0"),
    "text past the end": frame(Read.KIND, b"\0\0\0\5abc"),
    "text with NUL": frame(Read.KIND, b"\0\0\0\3a\0b"),
    "text that is not UTF-8": frame(Read.KIND, b"\0\0\0\2\xc3\x28"),
    "text too long": frame(Read.KIND, (MAX_TEXT + 1).to_bytes(4, "big") + b"a" * (MAX_TEXT + 1)),
    "chunk too long": frame(Data.KIND, (CHUNK + 1).to_bytes(4, "big") + b"a" * (CHUNK + 1)),
    "unknown ending": frame(Exited.KIND, bytes(4) + bytes([max(Ending) + 1]) + bytes(2)),
    "more texts than bytes": frame(Start.KIND, b"\0\0\0\1a" + b"\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_broken_frames_are_refused(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        Decoder().feed(raw)


@pytest.mark.parametrize(
    "message",
    [
        Credit(1 << 32),
        Credit(-1),
        Output(3, 0, b""),
        Data(bytes(CHUNK + 1)),
        Read("a\0b"),
        Read("\ud800"),
        Hello(1, bytes(MAX_FRAME)),
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_no_field_can_hold_is_not_encoded(message: Message) -> None:
    with pytest.raises(ProtocolError):
        encode(1, message)


def test_a_size_is_refused_before_its_frame_has_come() -> None:
    decoder = Decoder()
    assert decoder.feed(b"\xff") == []
    with pytest.raises(ProtocolError):
        decoder.feed(b"\xff\xff\xff")
