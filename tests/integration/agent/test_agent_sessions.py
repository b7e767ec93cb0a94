"""Output, input, readers and the ends of sessions: nothing is lost, and nobody waits for ever."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import time

import pytest

from oc.wire.messages import (
    CHUNK,
    MAX_SESSIONS,
    RING,
    WINDOW,
    Attach,
    Attached,
    Cancel,
    Credit,
    Detach,
    Done,
    Ending,
    Exited,
    Failed,
    Forget,
    Input,
    InputEnd,
    Output,
    Ping,
    Resize,
    Session,
    Sessions,
    Signal,
)
from tests.integration.agent.client import Client, starting
from tests.integration.agent.process import Agent

PACE_S = 0.01  # between two looks at what will be
COUNT = "seq 1 700000"  # about 4.8 MB
COUNTED = b"".join(b"%d\n" % number for number in range(1, 700001))


def listed(client: Client, name: str) -> Session:
    (session,) = [session for session in client.ask(Sessions(), Session) if session.session == name]
    return session


def wait_for_end(client: Client, name: str) -> Session:
    while (session := listed(client, name)).running:
        time.sleep(PACE_S)
    return session


def test_a_slow_reader_gets_everything_in_order(client: Client) -> None:
    stream = client.launch("a", "sh", "-c", COUNT)
    out, _, exited = client.read(stream)
    assert hashlib.sha256(out).digest() == hashlib.sha256(COUNTED).digest()
    assert exited.code == 0


def test_channels_alternate_in_the_order_they_were_written(client: Client) -> None:
    client.start("a", "sh", "-c", "for i in 1 2 3; do echo o$i; read go; echo e$i >&2; read go; done", input=1)
    stream, _ = client.attach("a")
    place = 0
    for line in (b"o1\n", b"e1\n", b"o2\n", b"e2\n", b"o3\n", b"e3\n"):
        output = client.take(stream, Output)
        assert output == Output(1 if line[0:1] == b"o" else 2, place, line)
        place += len(line)
        client.send(stream, Input(b"\n"))
        client.take(stream, Credit)
    assert client.take(stream, Exited).code == 0
    stream, attached = client.attach("a")
    assert attached == Attached(0, place, 0)
    assert client.read(stream)[:2] == (b"o1\no2\no3\n", b"e1\ne2\ne3\n")


def test_a_reader_without_credit_holds_the_writer_and_only_it(client: Client) -> None:
    client.credit = False
    stream = client.launch("a", "sh", "-c", COUNT)
    held = 0
    while held < WINDOW:
        held += len(client.take(stream, Output).data)
    assert held == WINDOW
    client.do(Ping())
    assert client.quiet(stream)
    assert client.run("b", "echo", "alive")[0] == b"alive\n"
    assert listed(client, "a").running
    client.credit = True
    client.send(stream, Credit(WINDOW))
    assert held + len(client.read(stream)[0]) == len(COUNTED)


def test_without_readers_the_oldest_bytes_go(client: Client) -> None:
    client.start("a", "sh", "-c", COUNT)
    session = wait_for_end(client, "a")
    assert session.written == len(COUNTED)
    stream, attached = client.attach("a", offset=5)
    assert attached == Attached(len(COUNTED) - RING, len(COUNTED), 0)
    assert client.read(stream)[0] == COUNTED[-RING:]


def test_a_lost_connection_keeps_a_named_place(agent: Agent, client: Client) -> None:
    with agent.client() as first:
        stream = first.launch("a", "sh", "-c", COUNT, reader="r")
        seen = b""
        while len(seen) < 100_000:
            seen += first.take(stream, Output).data
    stream, attached = client.attach("a", "r", len(seen))
    assert attached.offset == len(seen)
    assert seen + client.read(stream)[0] == COUNTED


@pytest.mark.parametrize("leave", [Detach(), Cancel()], ids=["detach gives the place up", "cancel keeps it"])
def test_leaving(client: Client, leave: Detach | Cancel) -> None:
    stream = client.launch("a", "sh", "-c", COUNT, reader="r")
    client.send(stream, leave)
    while not isinstance(message := client.next(stream), Done):
        assert isinstance(message, Output)
    if isinstance(leave, Detach):
        assert wait_for_end(client, "a").written == len(COUNTED)
    else:
        assert listed(client, "a").readers == 0
        stream, attached = client.attach("a", "r", 0)
        assert attached.offset == 0
        assert client.read(stream)[0] == COUNTED


def test_the_same_reader_elsewhere_takes_over(agent: Agent, client: Client) -> None:
    client.start("a", "cat", input=1)
    old, _ = client.attach("a", "r")
    with agent.client() as other:
        new, _ = other.attach("a", "r")
        assert client.take(old, Failed).errno == errno.ECANCELED
        other.send(new, Input(b"x\n"), InputEnd())
        assert other.read(new)[0] == b"x\n"


def test_many_readers_each_get_all(agent: Agent, client: Client) -> None:
    """As much as one of them may be behind the other who is read first."""
    text = COUNTED[: WINDOW // 2]
    client.start("a", "sh", "-c", f"read go; {COUNT} | head -c {len(text)}", input=1)
    with agent.client() as other:
        streams = [(client, client.attach("a")[0]), (other, other.attach("a")[0])]
        assert listed(client, "a").readers == 2
        client.send(streams[0][1], Input(b"go\n"))
        assert [reader.read(stream)[0] for reader, stream in streams] == [text, text]


def test_input_waits_for_the_process_and_loses_nothing(client: Client) -> None:
    client.start("a", "sh", "-c", "kill -STOP $$; sha256sum", input=1)
    stream, _ = client.attach("a")
    data = os.urandom(WINDOW)
    for start in range(0, WINDOW, CHUNK):
        client.send(stream, Input(data[start : start + CHUNK]))
    client.do(Ping())
    client.do(Signal("a", signal.SIGCONT))
    client.send(stream, InputEnd())
    out, _, exited = client.read(stream)
    assert (out.split()[0].decode(), exited.code) == (hashlib.sha256(data).hexdigest(), 0)


def test_input_for_who_does_not_read_it_is_credited(client: Client) -> None:
    client.start("a", "sh", "-c", "exec <&-; echo closed; sleep 100000", input=1)
    stream, _ = client.attach("a")
    assert client.until(stream, b"closed\n") == b"closed\n"
    taken = 0
    for _ in range(2 * WINDOW // CHUNK):
        client.send(stream, Input(bytes(CHUNK)))
        taken += client.take(stream, Credit).count
    while taken < 2 * WINDOW:
        taken += client.take(stream, Credit).count
    assert taken == 2 * WINDOW


def test_input_is_sent_again_exactly_once(agent: Agent, client: Client) -> None:
    """What was taken before the connection was lost is counted, the rest was dropped and is sent again."""
    data = os.urandom(WINDOW)
    with agent.client() as first:
        first.start("a", "sh", "-c", "kill -STOP $$; sha256sum", input=1)
        stream, _ = first.attach("a", "r")
        for start in range(0, WINDOW, CHUNK):
            first.send(stream, Input(data[start : start + CHUNK]))
        first.do(Ping())
    stream, attached = client.attach("a", "r")
    assert 0 < attached.input < WINDOW
    client.do(Signal("a", signal.SIGCONT))
    for start in range(attached.input, WINDOW, CHUNK):
        client.send(stream, Input(data[start : start + CHUNK]))
    client.send(stream, InputEnd())
    assert client.read(stream)[0].split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_time_limit_ends_the_whole_group(client: Client) -> None:
    out, _, exited = client.run("a", "sh", "-c", "sleep 100000; echo never", timeout_ms=50)
    assert (out, exited.ending, exited.signal) == (b"", Ending.TIMEOUT, signal.SIGKILL)


def test_linger_begins_when_the_last_reader_leaves(client: Client) -> None:
    client.start("never", "sleep", "100000", linger_ms=1)
    client.start("a", "sleep", "100000", linger_ms=1)
    stream, _ = client.attach("a")
    client.send(stream, Detach())
    client.take(stream, Done)
    assert wait_for_end(client, "a").ending == Ending.LINGER
    assert listed(client, "never").running


def test_signal_reaches_the_group(client: Client) -> None:
    client.start("a", "sh", "-c", "sleep 100000; echo never")
    stream, _ = client.attach("a")
    client.do(Signal("a", signal.SIGTERM))
    assert client.read(stream) == (b"", b"", Exited(0, Ending.SIGNAL, signal.SIGTERM))
    client.do(Signal("a", signal.SIGTERM))  # one that has ended is fine
    assert client.failure(Signal("unknown", 9)).errno == errno.ESRCH
    client.start("b", "sleep", "100000")
    assert client.failure(Signal("b", 99)).errno == errno.EINVAL


def test_a_background_process_does_not_hold_up_the_end_and_lives_on(client: Client) -> None:
    out, _, exited = client.run("a", "sh", "-c", "sleep 100000 & echo $!")
    os.kill(int(out), 0)
    assert exited == Exited(0, Ending.EXIT, 0)
    client.do(Forget("a"))
    os.kill(int(out), 0)
    os.kill(int(out), signal.SIGKILL)


def test_forget_kills_and_tells_readers(client: Client) -> None:
    pid = client.start("a", "sleep", "100000")
    stream, _ = client.attach("a")
    client.do(Forget("a"))
    assert client.take(stream, Failed).errno == errno.ESRCH
    assert client.ask(Sessions(), Session) == []
    while alive(pid):
        time.sleep(PACE_S)
    assert client.failure(Attach("a", "", 0)).errno == errno.ESRCH
    assert client.failure(Forget("a")).errno == errno.ESRCH


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_ended_sessions_make_way_and_running_ones_do_not(client: Client) -> None:
    client.run("first", "true")
    for number in range(MAX_SESSIONS - 1):
        client.start(f"s{number}", "sleep", "100000")
    assert client.failure(starting("s0", "true")).errno == errno.EEXIST
    client.start("last", "sleep", "100000")
    assert "first" not in {session.session for session in client.ask(Sessions(), Session)}
    assert client.failure(starting("more", "true")).errno == errno.EAGAIN


def test_list_tells_all(client: Client) -> None:
    pid = client.start("a", "sh", "-c", "exit 7", "é" * 5000, terminal=1)
    ended = wait_for_end(client, "a")
    assert (ended.pid, ended.code, ended.ending, ended.readers, ended.terminal) == (pid, 7, Ending.EXIT, 0, 1)
    assert ended.argv[:3] == ("sh", "-c", "exit 7")
    assert set(ended.argv[3]) == {"é"}
    assert ended.started_s > 0


def test_terminal_has_its_size_and_is_told_of_a_new_one(client: Client) -> None:
    script = "trap 'stty size; exit' WINCH; stty size; tty; while :; do sleep 0.1; done"
    client.start("a", "sh", "-c", script, terminal=1, rows=33, cols=77, input=1)
    stream, _ = client.attach("a")
    assert b"33 77" in client.until(stream, b"/dev/pts/")
    client.do(Resize("a", 40, 100))
    assert b"40 100" in client.until(stream, b"100")
    client.start("b", "cat", input=1)
    assert client.failure(Resize("b", 1, 1)).errno == errno.ENOTTY


def test_terminal_keys(client: Client) -> None:
    """Ctrl-C interrupts; the end of input is Ctrl-D, also where a line has begun."""
    script = "trap 'echo interrupted; exec cat' INT; echo ready; while :; do sleep 0.1; done"
    client.start("a", "sh", "-c", script, terminal=1, input=1)
    stream, _ = client.attach("a")
    client.until(stream, b"ready\r\n")
    client.send(stream, Input(b"\x03"))
    client.until(stream, b"interrupted\r\n")
    client.send(stream, Input(b"half"), InputEnd())
    out, _, exited = client.read(stream)
    assert b"half" in out
    assert exited == Exited(0, Ending.EXIT, 0)
