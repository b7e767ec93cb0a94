"""WebSocket frames: the same messages, however they are cut on their way."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from oc.cli import frames
from oc.cli.frames import Closed, Decoder

SIZES = (0, 1, 2, 124, 125, 126, 127, 65534, 65535, 65536, 70000)
payloads = st.sampled_from(SIZES).map(lambda size: (bytes(range(256)) * 300)[:size])
unhurried = settings(deadline=None, max_examples=50)  # a busy machine is no failure


def receive(decoder: Decoder, data: bytes, step: int) -> list[bytes]:
    """Whole messages out of pieces, which are looked at as late as they may be."""
    messages, message = [], b""
    for at in range(0, len(data), step):
        part = data[at : at + step]
        decoder.space()[: len(part)] = part
        for first, last, piece in list(decoder.decode(len(part))):
            message = bytes(piece) if first else message + piece
            if last:
                messages.append(message)
    return messages


def server_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    return Frame(Opcode(opcode), payload, fin=final).serialize(mask=False)


@unhurried
@given(st.lists(payloads, max_size=5), st.integers(100, 5000) | st.just(1 << 17))
def test_messages_arrive_whole_in_any_cut(messages: list[bytes], step: int) -> None:
    data = b"".join(server_frame(frames.BINARY, message) for message in messages)
    assert receive(Decoder(), data, step) == [message for message in messages if message]


@unhurried
@given(st.binary(min_size=1, max_size=50), st.integers(1, 60))
def test_fragments_are_one_message_with_a_ping_between(payload: bytes, step: int) -> None:
    data = (
        server_frame(frames.BINARY, payload, final=False)
        + server_frame(frames.PING, b"there?")
        + server_frame(frames.CONTINUATION, payload, final=False)
        + server_frame(frames.CONTINUATION, b"")
        + server_frame(frames.TEXT, b"not ours")
        + server_frame(frames.BINARY, b"next")
    )
    decoder = Decoder()
    assert receive(decoder, data, step) == [payload * 2, b"next"]
    assert decoder.pings == [b"there?"]


def test_a_piece_stays_as_it_is_although_the_next_head_has_begun() -> None:
    decoder = Decoder()
    data = server_frame(frames.BINARY, b"abcdef") + server_frame(frames.BINARY, bytes(200))
    for part, expected in ((data[:5], [b"abc"]), (data[5:11], [b"def"])):
        decoder.space()[: len(part)] = part
        pieces = list(decoder.decode(len(part)))
        assert [bytes(piece) for _, _, piece in pieces] == expected


def test_what_came_with_the_handshake_is_decoded_first() -> None:
    decoder = Decoder(server_frame(frames.BINARY, b"early"))
    assert receive(decoder, server_frame(frames.BINARY, b"later"), 100) == [b"early", b"later"]


@unhurried
@given(payloads)
def test_own_frames_are_masked_as_the_standard_says(payload: bytes) -> None:
    data = frames.encode(frames.BINARY, payload)
    head = {126: 4, 127: 10}.get(data[1] & 0x7F, 2)
    key, masked = data[head : head + 4], data[head + 4 :]
    assert data[1] & frames.MASKED
    assert frames.masked(masked, key) == payload
    assert frames.masked(b"\0" * 8, b"\1\2\3\4") == b"\1\2\3\4" * 2


def test_close_tells_code_and_reason() -> None:
    with pytest.raises(Closed) as closed:
        receive(Decoder(), server_frame(frames.CLOSE, frames.close_payload(1011, "try again")), 3)
    assert (closed.value.code, closed.value.reason) == (1011, "try again")


@pytest.mark.parametrize(
    "data",
    [
        b"\x82\x81abcd\0",  # masked
        b"\xc2\x01a",  # compressed
        b"\x89\x7e" + struct.pack("!H", 200),  # a long ping
        b"\x09\x00",  # a ping in fragments
        b"\x80\x01a",  # continues nothing
        b"\x02\x01a\x82\x01a",  # begins within another
        b"\x8f\x00",  # unknown
    ],
)
def test_what_breaks_the_protocol_ends_the_connection(data: bytes) -> None:
    with pytest.raises(Closed) as closed:
        receive(Decoder(), data, len(data))
    assert closed.value.code == frames.PROTOCOL_ERROR
