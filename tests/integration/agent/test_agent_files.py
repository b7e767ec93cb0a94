"""Files inside: streamed both ways, and never a way to keep everybody waiting."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from oc.wire.messages import (
    CHUNK,
    WINDOW,
    Cancel,
    Credit,
    Data,
    Done,
    End,
    Entries,
    Entry,
    Failed,
    MakeDirectory,
    Message,
    Opened,
    Ping,
    Read,
    Remove,
    Write,
)
from tests.integration.agent.client import Client

SOME = os.urandom(3 * WINDOW + 17)


def read(client: Client, path: Path | str) -> bytes:
    stream = client.begin(Read(str(path)))
    client.take(stream, Opened)
    data = b""
    while not isinstance(message := client.next(stream), Done):
        assert isinstance(message, Data), message
        data += message.data
    return data


def write(client: Client, path: Path, data: bytes, mode: int = 0o644, user: str = "") -> None:
    stream = client.begin(Write(str(path), mode, user))
    client.take(stream, Opened)
    owed = 0
    for start in range(0, len(data), CHUNK):
        piece = data[start : start + CHUNK]
        while owed + len(piece) > WINDOW:
            owed -= client.take(stream, Credit).count
        client.send(stream, Data(piece))
        owed += len(piece)
    client.send(stream, End())
    while not isinstance(message := client.next(stream), Done):
        assert isinstance(message, Credit), message


def test_what_is_written_is_read(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "new" / "parents" / "file"
    write(client, path, SOME, 0o640, "4321")
    assert path.read_bytes() == SOME
    assert read(client, path) == SOME
    status = path.stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o640, 4321, 4321)
    parent = path.parent.stat()
    assert (parent.st_mode & 0o7777, parent.st_uid) == (0o755, 4321)


def test_an_existing_file_is_truncated_and_keeps_its_mode(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"long contents")
    path.chmod(0o600)
    write(client, path, b"short", 0o777, "4321")
    assert (path.read_bytes(), path.stat().st_mode & 0o7777, path.stat().st_uid) == (b"short", 0o600, os.getuid())


def test_a_file_without_a_size_is_read_to_its_end(client: Client) -> None:
    assert read(client, "/proc/self/status").startswith(b"Name:\toc-agent")


def test_an_unread_file_holds_up_nobody(client: Client, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(SOME)
    client.credit = False
    stream = client.begin(Read(str(tmp_path / "file")))
    assert client.take(stream, Opened) == Opened(len(SOME))
    sent = 0
    while sent < WINDOW:
        sent += len(client.take(stream, Data).data)
    client.do(Ping())
    assert client.quiet(stream)
    client.send(stream, Cancel())
    assert client.take(stream, Done) == Done()


def special(tmp_path: Path) -> dict[str, Path]:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    return {"fifo": tmp_path / "fifo", "directory": tmp_path / "directory", "file": tmp_path / "file"}


def test_what_is_no_regular_file_is_refused(client: Client, tmp_path: Path) -> None:
    paths = special(tmp_path)
    refused: list[tuple[Message, int]] = [
        (Read(str(paths["fifo"])), errno.EINVAL),
        (Read("/dev/zero"), errno.EINVAL),
        (Read(str(paths["directory"])), errno.EISDIR),
        (Read(str(tmp_path / "missing")), errno.ENOENT),
        (Write(str(paths["fifo"]), 0o644, ""), errno.ENXIO),  # open(2): nobody reads it
        (Write("/dev/null", 0o644, ""), errno.EINVAL),
        (Write(str(paths["directory"]), 0o644, ""), errno.EISDIR),
        (Write(str(paths["file"] / "below"), 0o644, ""), errno.ENOTDIR),
        (Write(str(tmp_path / "x"), 0o644, "no-such-user"), errno.EINVAL),
        (Entries(str(paths["file"])), errno.ENOTDIR),
        (Entries(str(tmp_path / "missing")), errno.ENOENT),
        (MakeDirectory(str(paths["file"]), ""), errno.ENOTDIR),
        (Remove(str(paths["directory"]) + "/."), errno.EINVAL),
    ]
    failures = [client.failure(message) for message, _ in refused]
    assert [failure.errno for failure in failures] == [number for _, number in refused]
    assert str(tmp_path / "missing") in failures[3].text
    assert not (tmp_path / "x").exists()


def test_a_write_that_fails_midway_says_so(client: Client, tmp_path: Path) -> None:
    """A file of another name that is a link to nowhere writable."""
    (tmp_path / "link").symlink_to("/proc/self/mem")
    stream = client.begin(Write(str(tmp_path / "link"), 0o644, ""))
    message = client.next(stream)
    if isinstance(message, Opened):
        client.send(stream, Data(b"x"))
        message = client.next(stream)
    assert isinstance(message, Failed)


def test_entries(client: Client, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir(mode=0o750)
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("directory")
    os.close(os.open(os.fsencode(tmp_path) + b"/\xff", os.O_CREAT | os.O_WRONLY, 0o644))
    entries = {entry.name: entry for entry in client.ask(Entries(str(tmp_path)), Entry)}
    assert entries.keys() == {b"directory", b"file", b"link", b"\xff"}
    assert (entries[b"directory"].directory, entries[b"directory"].mode) == (1, 0o750)
    assert (entries[b"file"].directory, entries[b"file"].size) == (0, 5)
    assert entries[b"link"].directory == 0
    assert entries[b"file"].mtime_s == int((tmp_path / "file").stat().st_mtime)


def test_a_large_directory(client: Client, tmp_path: Path) -> None:
    names = {b"%d" % number for number in range(5000)}
    for name in names:
        os.close(os.open(os.fsencode(tmp_path) + b"/" + name, os.O_CREAT | os.O_WRONLY))
    assert {entry.name for entry in client.ask(Entries(str(tmp_path)), Entry)} == names
    client.do(Remove(str(tmp_path)))
    assert not tmp_path.exists()


def test_make_directory_with_parents_again_and_again(client: Client, tmp_path: Path) -> None:
    for _ in range(2):
        client.do(MakeDirectory(f"{tmp_path}/a//b/c/", "4321"))
    assert [(tmp_path / part).stat().st_uid for part in ("a", "a/b", "a/b/c")] == [4321] * 3
    assert tmp_path.stat().st_uid == os.getuid()


def test_remove_follows_no_link(client: Client, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "below" / "link").symlink_to(kept)
    (tmp_path / "top").symlink_to(kept)
    for path in (tree, tmp_path / "top", tmp_path / "missing", tmp_path / "missing" / "below"):
        client.do(Remove(str(path)))
    assert sorted(tmp_path.iterdir()) == [kept]
    assert (kept / "file").exists()


@pytest.mark.parametrize("depth", [31, 33, 300])
def test_remove_goes_to_any_depth(client: Client, tmp_path: Path, depth: int) -> None:
    path = tmp_path / "tree"
    path.mkdir()
    for _ in range(depth):
        (path / "file").touch()
        (path / "other").mkdir()
        path = path / "d"
        path.mkdir()
    client.do(Remove(str(tmp_path / "tree")))
    assert list(tmp_path.iterdir()) == []
