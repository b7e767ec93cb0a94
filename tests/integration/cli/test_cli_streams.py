"""`oc exec` as a pipe: bytes, exit codes, signals, and connections that break."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.integration.cli.program import OC, PATIENCE_S, Program
from tests.integration.cli.stand_in import BLOCK

ID = "sb-00000001"
RUN = ("exec", ID, "--")


def source(megabytes: int) -> str:
    digest = hashlib.sha256()
    for number in range(megabytes * 16):
        digest.update(number.to_bytes(4, "big") + BLOCK[4:])
    return digest.hexdigest()


def digest_line(data: bytes) -> bytes:
    return f"{hashlib.sha256(data).hexdigest()} {len(data)}\n".encode()


def test_streams_stay_apart_and_in_order(oc: Program) -> None:
    ran = oc(*RUN, "both")
    assert (ran.code, ran.out, ran.err) == (0, b"out 1\nout 2\n", b"err 1\nerr 2\n")


@pytest.mark.parametrize(("remote", "local"), [("0", 0), ("7", 7), ("-1", 255)])
def test_exit_code_is_the_commands(oc: Program, remote: str, local: int) -> None:
    assert oc(*RUN, "exit", remote).code == local


def test_input_goes_through_and_ends(oc: Program) -> None:
    data = bytes(range(256)) * 20_000
    assert oc(*RUN, "digest", input=data).out == digest_line(data)
    assert oc(*RUN, "cat", input=b"to and fro").out == b"to and fro"


@pytest.mark.parametrize("redirection", ["< /dev/null", "<&-"])
def test_no_input_is_an_empty_one(oc: Program, redirection: str) -> None:
    assert oc.shell(f'"$OC" exec {ID} -- digest {redirection}').out == digest_line(b"")


def test_no_stdin_leaves_input_to_others(oc: Program) -> None:
    script = f'echo mine | ("$OC" exec {ID} --no-stdin -- digest; cat)'
    assert oc.shell(script).out == digest_line(b"") + b"mine\n"


def test_closed_output_does_not_harm(oc: Program) -> None:
    assert oc.shell(f'"$OC" exec {ID} -- source 1 < /dev/null >&- 2>&-').code == 0


def test_a_reader_that_goes_away_ends_it_quietly(oc: Program) -> None:
    ran = oc.shell(f'"$OC" exec {ID} -- source 8 < /dev/null | head -c 3; echo " ${{PIPESTATUS[0]}}"')
    assert (ran.out, ran.err) == (b"\0\0\0 141\n", b"")


def test_a_full_disk_is_reported(oc: Program) -> None:
    ran = oc.shell(f'"$OC" exec {ID} -- source 1 < /dev/null > /dev/full')
    assert ran.code == 1
    assert b"No space left" in ran.err


def test_a_session_that_vanishes_is_reported(oc: Program) -> None:
    ran = oc(*RUN, "vanish")
    assert (ran.code, ran.out) == (255, b"")
    assert b"sandbox stopped" in ran.err


def test_first_interrupt_goes_to_the_command(oc: Program) -> None:
    with oc.start(*RUN, "wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert b"press Ctrl-C again" in err


def test_second_interrupt_leaves_the_command_running_and_gives_up_its_place(oc: Program) -> None:
    with oc.start(*RUN, "deaf") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert b"press Ctrl-C again" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    session = list(oc.seen()["sessions"])[-1]
    assert f"oc exec attach {ID} {session}".encode() in err
    deadline = time.monotonic() + PATIENCE_S
    while (seen := oc.seen()["sessions"][session])["given_up"] != seen["readers"]:
        assert time.monotonic() < deadline, "the place was not given up"
        time.sleep(0.02)


def test_input_typed_at_a_terminal_arrives_by_the_line(oc: Program) -> None:
    ours, theirs = pty.openpty()
    try:
        argv = [str(OC), *RUN, "cat"]
        with subprocess.Popen(argv, stdin=theirs, stdout=subprocess.PIPE, env=oc.variables()) as process:
            assert process.stdout is not None
            os.write(ours, b"one\n")
            assert process.stdout.readline() == b"one\n"
            os.write(ours, b"\x04")
            assert process.stdout.read() == b""
        assert process.returncode == 0
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(("cuts", "cut_after"), [(2, 1), (9, 100_001), (6, 3_000_000)])
def test_output_is_whole_over_broken_connections(start: Callable[..., Program], cuts: int, cut_after: int) -> None:
    oc = start("--cuts", str(cuts), "--cut-after", str(cut_after))
    ran = oc(*RUN, "source", "24")
    assert (ran.code, hashlib.sha256(ran.out).hexdigest()) == (0, source(24)), ran.err


def test_a_pause_in_the_output_is_when_the_rest_is_acknowledged(oc: Program) -> None:
    with oc.start(*RUN, "deaf") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert acknowledged(oc, at_least=1) == len("ready\n")
        process.kill()


def test_what_was_not_written_is_not_acknowledged(oc: Program) -> None:
    """A reader that stands still: the program cannot have written more than that has read and the pipe holds."""
    with oc.start(*RUN, "source", "8") as process:
        assert process.stdout is not None
        room = fcntl.fcntl(process.stdout, fcntl.F_GETPIPE_SZ) + io.DEFAULT_BUFFER_SIZE  # of our own reader
        read = len(process.stdout.read(1 << 20))
        assert acknowledged(oc, at_least=read // 2) <= read + room
        process.kill()


def acknowledged(oc: Program, at_least: int) -> int:
    """How much output of the latest session its only reader has acknowledged, once it is that much."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        (got,) = list(oc.seen()["sessions"].values())[-1]["got"].values()
        if got >= at_least:
            return int(got)
        assert time.monotonic() < deadline, f"{got} of {at_least} bytes were acknowledged"
        time.sleep(0.02)


def test_a_server_that_knows_nothing_of_it_is_sent_nothing_of_it(start: Callable[..., Program]) -> None:
    oc = start("--published")
    ran = oc(*RUN, "source", "2")
    assert (ran.code, hashlib.sha256(ran.out).hexdigest()) == (0, source(2))
    assert [session["not_understood"] for session in oc.seen()["sessions"].values()] == [[]]


def test_input_is_whole_over_broken_connections(start: Callable[..., Program]) -> None:
    oc = start("--cuts", "6", "--cut-after", "777777")
    data = bytes(range(256)) * 24_000
    ran = oc(*RUN, "digest", input=data)
    assert (ran.code, ran.out) == (0, digest_line(data)), ran.err


def test_both_ways_at_once_over_broken_connections(start: Callable[..., Program]) -> None:
    oc = start("--cuts", "6", "--cut-after", "777777")
    data = bytes(range(256)) * 12_000
    ran = oc(*RUN, "cat", input=data)
    assert (ran.code, hashlib.sha256(ran.out).hexdigest()) == (0, hashlib.sha256(data).hexdigest())


def test_a_server_that_has_forgotten_the_session_says_so(start: Callable[..., Program]) -> None:
    oc = start("--cuts", "1", "--cut-after", "500000", "--forget")
    ran = oc(*RUN, "source", "8")
    assert ran.code == 3
    assert b"exec session not found" in ran.err
