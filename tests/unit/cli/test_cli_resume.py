"""Input and output over several connections: nothing twice, nothing lost."""

from __future__ import annotations

import os
import struct

import pytest

from oc.cli import stdin
from oc.cli.errors import CliError
from oc.cli.stdin import Input
from oc.cli.transcript import CHANNELS, Transcript


@pytest.fixture
def source() -> tuple[int, int]:
    return os.pipe()


def frames(input: Input) -> list[bytes]:
    found = []
    while (frame := input.next_frame()) is not None:
        found.append(frame)
    return found


def filled(source: tuple[int, int], data: bytes) -> Input:
    read, write = source
    input = Input(read, ended=False, ends=True)
    os.write(write, data)
    os.close(write)
    while input.wanted:
        input.read()
    os.close(read)
    return input


def test_input_goes_on_where_the_sandbox_says(source: tuple[int, int]) -> None:
    input = filled(source, b"abcdef")
    input.rewind(0)
    assert frames(input) == [b"\0abcdef", b"\0"]
    input.confirm(2)
    input.rewind(4)
    assert frames(input) == [b"\0ef", b"\0"]
    input.rewind(6)
    assert frames(input) == [b"\0"]


def test_a_sandbox_that_forgot_confirmed_input_is_not_fed_garbage(source: tuple[int, int]) -> None:
    input = filled(source, b"abcdef")
    input.rewind(4)
    for taken in (3, 7):
        with pytest.raises(CliError, match="lost its place"):
            input.rewind(taken)


def test_input_is_held_back_at_the_window(source: tuple[int, int]) -> None:
    read, write = source
    os.set_blocking(write, False)
    input = Input(read, ended=False, ends=True)
    while input.wanted:
        os.write(write, bytes(4096))
        input.read()
    assert sum(len(frame) - 1 for frame in frames(input)) == stdin.WINDOW
    input.confirm(1)
    assert input.wanted
    os.close(read)
    os.close(write)


def test_without_confirmations_what_is_sent_counts(source: tuple[int, int]) -> None:
    input = filled(source, b"abc")
    input.rewind(None)
    assert frames(input) == [b"\0abc", b"\0"]
    assert input.taken == 3


def test_no_input_and_nothing_to_end() -> None:
    assert frames(Input(0, ended=True, ends=False)) == []
    assert frames(Input(0, ended=True, ends=True)) == [b"\0"]


def test_output_is_written_once_whatever_is_sent_again(capfd: pytest.CaptureFixture[str]) -> None:
    transcript = Transcript(whole=True)
    transcript.begin(0)
    transcript.add(1, memoryview(b"abc"))
    transcript.add(2, memoryview(b"DE"))
    transcript.add(1, memoryview(b"lost with its connection"))
    transcript.begin(3)
    transcript.add(2, memoryview(b"DE"))
    transcript.add(1, memoryview(b"f"))
    transcript.flush()
    captured = capfd.readouterr()
    assert (captured.out, captured.err, transcript.offset) == ("abcf", "DE", 6)


def test_missing_output_is_an_error_but_where_one_comes_late(capfd: pytest.CaptureFixture[str]) -> None:
    late = Transcript(whole=False)
    late.begin(100)
    assert late.offset == 100
    for transcript, offset in ((late, 101), (Transcript(whole=True), 1)):
        with pytest.raises(CliError, match="1 bytes of output are lost"):
            transcript.begin(offset)


def test_output_is_acknowledged_once_it_is_written_and_as_this_connection_counts(
    capfd: pytest.CaptureFixture[str],
) -> None:
    transcript = Transcript(whole=True)
    transcript.begin(0)
    transcript.add(1, memoryview(b"abcd"))
    assert transcript.owed == 0
    transcript.flush()
    assert (transcript.owed, transcript.acknowledgement(), transcript.owed) == (4, struct.pack("!BQ", 7, 4), 0)
    transcript.begin(1)
    assert transcript.owed == 0
    transcript.add(1, memoryview(b"b"))
    transcript.flush()
    assert transcript.acknowledgement() == struct.pack("!BQ", 7, 2)
    transcript.add(1, memoryview(b"cdef"))
    transcript.flush()
    assert transcript.acknowledgement() == struct.pack("!BQ", 7, 6)
    assert capfd.readouterr().out == "abcdef"


def test_output_that_cannot_be_written_is_not_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHANNELS, 1, -1)
    transcript = Transcript(whole=True)
    transcript.begin(0)
    transcript.add(1, memoryview(b"abcd"))
    with pytest.raises(OSError, match="descriptor"):
        transcript.flush()
    assert transcript.owed == 0
