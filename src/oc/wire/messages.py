"""The agent protocol, as data: every message, its number and its fields.

This table is the specification. The codec beside it and the agent's C code (`agent/protocol.c`) follow it.
Agents live on inside old checkpoints, so a message is never changed: a new `VERSION` adds new ones. The worker greets
with the `OLDEST` version that it can do with, the agent answers with its own, and is sent nothing that is newer.

A frame is `u32 size, u8 kind, u32 stream, payload`; size counts all that follows it and is at most `MAX_FRAME`.
All integers are big-endian. `text` is `u32 length` + UTF-8 without NUL, `data` is `u32 length` + bytes, `texts` is
`u32 count` + that many `text` (`kinds.py`). A frame that breaks a rule closes the connection, never the sandbox.

A *stream* is one operation on one connection. The worker picks its number, from 1 up, never reused on a connection;
stream 0 carries what belongs to no operation (`Hello`, `Welcome`, `Happened`). Every operation ends with exactly one of
`Done`, `Failed` or `Exited` from the agent; frames that arrive for an ended stream are ignored.

Flow control: whoever sends bulk bytes (`Output`, `Input`, `Data`) on a stream may have at most `WINDOW` bytes
unacknowledged there; the receiver gives bytes back with `Credit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, ClassVar

from oc.wire.kinds import CHUNK as CHUNK
from oc.wire.kinds import MAX_TEXT as MAX_TEXT
from oc.wire.kinds import U8, U16, U32, U64, Blob, Bulk, Flag, Text, Texts, Unsigned

VERSION = 2
OLDEST = 1
MAX_FRAME = 1 << 20
WINDOW = 512 << 10
TOKEN_BYTES = 32
RING = 1 << 20  # bytes of output that a session keeps, stdout and stderr together (contract 3.1)
READER_GRACE_S = 120  # how long the place of a reader whose connection was lost is kept, and its writer held
FINISHED_GRACE_S = 300  # how long an ended session is listed (contract 2.3.2)
MAX_SESSIONS = 256


class Channel(IntEnum):
    """Which of a process's outputs a chunk came from; the numbers are those of contract 3.1."""

    STDOUT = 1
    STDERR = 2


class Ending(IntEnum):
    """Why a session's process ended."""

    EXIT = 0
    SIGNAL = 1
    TIMEOUT = 2  # the session's own time limit
    LINGER = 3  # its last reader stayed away too long (maxRunAfterDisconnect)
    MEMORY = 4  # the watchdog chose it, or one of its processes, when memory or processes ran out


class Event(IntEnum):
    MEMORY_KILL = 1  # `text` names the process: "PID NAME"


class Message:
    """A message's `KIND` is its number on the wire; its dataclass fields, in order, are its payload."""

    KIND: ClassVar[int]


# --- from the worker -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello(Message):
    """First frame on a connection. A wrong token closes it, and so does a version that is not between OLDEST and the
    agent's own; until then nothing else is looked at.
    """

    KIND: ClassVar[int] = 1
    version: U16
    token: Blob


@dataclass(frozen=True, slots=True)
class Configure(Message):
    """After every start and every restore: makes the sandbox its own again. Answer: `Done`."""

    KIND: ClassVar[int] = 2
    time_ns: U64  # wall clock, 0 leaves it
    entropy: Blob  # mixed into the kernel's pool
    hostname: Text  # also written to /etc/hosts and /etc/hostname
    token: Blob  # the token that connections from now on must bring; empty leaves it
    env: Texts  # `NAME=value`: environment of every later session, under its own


@dataclass(frozen=True, slots=True)
class Start(Message):
    """Starts a session. Answers: `Started`, then `Done`; `Failed` (EEXIST: that session exists)."""

    KIND: ClassVar[int] = 3
    session: Text  # 8 hex
    argv: Texts
    env: Texts  # `NAME=value`
    cwd: Text  # empty: the user's home
    user: Text  # a name or a uid; empty: root
    terminal: Flag  # 1: on a new PTY
    rows: U16
    cols: U16
    input: Flag  # 0: stdin is /dev/null, 1: a pipe that stays open
    timeout_ms: U64  # 0: none
    linger_ms: U64  # killed this long after its last reader left; 0: runs on


@dataclass(frozen=True, slots=True)
class Attach(Message):
    """Reads a session from a byte offset on. Answers: `Attached`, `Output`..., `Exited`; the stream also takes `Input`.

    While any reader's place is more than RING bytes behind, the process's output is not read: it waits. A named reader
    whose connection is lost keeps its place for READER_GRACE_S; `Detach` gives it up, `Cancel` leaves as a lost
    connection does. Attaching under a name that is attached ends the other stream (`Failed`, ECANCELED). Without
    readers the oldest bytes go.
    """

    KIND: ClassVar[int] = 4
    session: Text
    reader: Text  # empty: a place that is lost with its connection
    offset: U64  # counted over stdout and stderr together; clipped to what the ring still holds


@dataclass(frozen=True, slots=True)
class Detach(Message):
    """Ends an `Attach` and gives up its reader's place. Answer: `Done`."""

    KIND: ClassVar[int] = 5


@dataclass(frozen=True, slots=True)
class Input(Message):
    KIND: ClassVar[int] = 6
    data: Bulk


@dataclass(frozen=True, slots=True)
class InputEnd(Message):
    """Closes stdin once what was sent before has been written (on a PTY: types Ctrl-D)."""

    KIND: ClassVar[int] = 7


@dataclass(frozen=True, slots=True)
class Signal(Message):
    """To the session's whole process group; one that has ended is fine. Answers: `Done`, `Failed` (ESRCH: unknown)."""

    KIND: ClassVar[int] = 8
    session: Text
    signal: U16


@dataclass(frozen=True, slots=True)
class Resize(Message):
    """Sets a PTY's size and raises SIGWINCH (gVisor does not, by itself). Answers: `Done`, `Failed`."""

    KIND: ClassVar[int] = 9
    session: Text
    rows: U16
    cols: U16


@dataclass(frozen=True, slots=True)
class Forget(Message):
    """Kills a session's process group and drops its record. Answers: `Done`, `Failed` (ESRCH)."""

    KIND: ClassVar[int] = 10
    session: Text


@dataclass(frozen=True, slots=True)
class Sessions(Message):
    """Answers: `Session`..., `Done`."""

    KIND: ClassVar[int] = 11


@dataclass(frozen=True, slots=True)
class Read(Message):
    """Reads a regular file. Answers: `Opened`, `Data`..., `Done`; `Failed` (ENOENT, EISDIR...). `Cancel` ends it.

    A file that grows meanwhile is read to the size it had, one that says it is empty (/proc) to its end.
    """

    KIND: ClassVar[int] = 12
    path: Text


@dataclass(frozen=True, slots=True)
class Write(Message):
    """Creates parents (0755), truncates or creates the file, takes `Data`... and `End`. Answers: `Done`, `Failed`.

    The agent answers `Opened` once the file is open, so that nothing is sent in vain. `Cancel` leaves what was written.
    """

    KIND: ClassVar[int] = 13
    path: Text
    mode: U32
    user: Text  # owner of what is created; empty: root


@dataclass(frozen=True, slots=True)
class Entries(Message):
    """Lists a directory, not recursively. Answers: `Entry`..., `Done`; `Failed`."""

    KIND: ClassVar[int] = 14
    path: Text


@dataclass(frozen=True, slots=True)
class MakeDirectory(Message):
    """`mkdir -p`. Answers: `Done`, `Failed`."""

    KIND: ClassVar[int] = 15
    path: Text
    user: Text  # owner of what is created


@dataclass(frozen=True, slots=True)
class Remove(Message):
    """`rm -rf`, never following a link; a missing path is success. Answers: `Done`, `Failed`."""

    KIND: ClassVar[int] = 16
    path: Text


@dataclass(frozen=True, slots=True)
class Connect(Message):
    """Opens TCP to 127.0.0.1 inside. Answers: `Opened`, then `Data` and `End` both ways; `Done` once both ended."""

    KIND: ClassVar[int] = 17
    port: U16


@dataclass(frozen=True, slots=True)
class Statistics(Message):
    """Answers: `Stats`, `Done`."""

    KIND: ClassVar[int] = 18


@dataclass(frozen=True, slots=True)
class Ping(Message):
    """Answer: `Done`."""

    KIND: ClassVar[int] = 19


@dataclass(frozen=True, slots=True)
class Cancel(Message):
    """Ends `Read`, `Write` or `Connect` at once. Answer: `Done` (ignored when the stream has ended already).

    Ends an `Attach` too, as the loss of its connection would: a named reader's place is kept for READER_GRACE_S.
    """

    KIND: ClassVar[int] = 20


@dataclass(frozen=True, slots=True)
class Limits(Message):
    """What programs may use from now on, and after a restore. Answer: `Done`; where there was no limit there is none.

    Version 2: agents of version 1 keep the limit that they were started with.
    """

    KIND: ClassVar[int] = 21
    memory: U64  # bytes, above 0


# --- both ways -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Data(Message):
    KIND: ClassVar[int] = 32
    data: Bulk


@dataclass(frozen=True, slots=True)
class End(Message):
    """No more `Data` from this side."""

    KIND: ClassVar[int] = 33


@dataclass(frozen=True, slots=True)
class Credit(Message):
    KIND: ClassVar[int] = 34
    count: U32


# --- from the agent --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Welcome(Message):
    KIND: ClassVar[int] = 64
    version: U16  # the agent's


@dataclass(frozen=True, slots=True)
class Done(Message):
    KIND: ClassVar[int] = 65


@dataclass(frozen=True, slots=True)
class Failed(Message):
    KIND: ClassVar[int] = 66
    errno: U32  # Linux's number
    text: Text  # for a person, names the path or program


@dataclass(frozen=True, slots=True)
class Started(Message):
    KIND: ClassVar[int] = 67
    pid: U32


@dataclass(frozen=True, slots=True)
class Attached(Message):
    KIND: ClassVar[int] = 68
    offset: U64  # of the first byte that follows; larger than asked: the bytes between are gone
    replay_end: U64  # where the replay ends and what is new begins
    input: U64  # bytes of `Input` taken from this reader so far (0 for one without a name)


@dataclass(frozen=True, slots=True)
class Output(Message):
    KIND: ClassVar[int] = 69
    channel: Annotated[int, Unsigned(1, Channel.STDOUT, Channel.STDERR)]
    offset: U64  # of the first byte
    data: Bulk


@dataclass(frozen=True, slots=True)
class Exited(Message):
    """After the last `Output`. `code` is meaningful for Ending.EXIT, `signal` for the others."""

    KIND: ClassVar[int] = 70
    code: U32
    ending: Annotated[int, Unsigned(1, high=max(Ending))]
    signal: U16


@dataclass(frozen=True, slots=True)
class Session(Message):
    KIND: ClassVar[int] = 71
    session: Text
    pid: U32
    argv: Texts  # cut to 4 KiB in all
    started_s: U64  # seconds since the epoch
    running: Flag
    code: U32
    ending: Annotated[int, Unsigned(1, high=max(Ending))]
    signal: U16
    readers: U32  # connected ones
    terminal: Flag
    written: U64  # bytes of output so far


@dataclass(frozen=True, slots=True)
class Opened(Message):
    KIND: ClassVar[int] = 72
    size: U64  # of the file that is read; 0 otherwise


@dataclass(frozen=True, slots=True)
class Entry(Message):
    KIND: ClassVar[int] = 73
    name: Blob  # as the file system has it
    directory: Flag
    size: U64
    mode: U32
    mtime_s: U64


@dataclass(frozen=True, slots=True)
class Stats(Message):
    KIND: ClassVar[int] = 74
    memory_total: U64  # bytes
    memory_used: U64  # bytes
    processes: U32
    uptime_ms: U64
    memory_kills: U32  # how often the watchdog has killed


@dataclass(frozen=True, slots=True)
class Happened(Message):
    """On stream 0, to every connection."""

    KIND: ClassVar[int] = 75
    event: U8  # an Event
    text: Text
