"""What is shown of directories and files, of which a sandbox chose every byte."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from oc.api.bodies import ExecSession, FileEntry
from oc.model.errors import BadRequest
from oc.web import visible
from oc.web.files import MOST_LISTED, VIEWED, attachment, crumbs, listed, path_of, viewed
from oc.web.sessions import command


def asking(query: str) -> Request:
    return Request({"type": "http", "query_string": query.encode(), "headers": [], "path": "/", "method": "GET"})


def entry(name: str, *, directory: bool = False) -> FileEntry:
    return FileEntry(name=name, is_dir=directory, path=f"/{name}")


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("path=/a/b/../c//d/", "/a/c/d"),
        ("path=//etc", "/etc"),
        ("path=/../../x", "/x"),
        ("path=/a%20b%23c%3Fd%25e%0Af", "/a b#c?d%e\nf"),
        ("", "/root"),
    ],
)
def test_a_path_is_absolute_and_short(query: str, path: str) -> None:
    assert path_of(asking(query), "/root") == path


@pytest.mark.parametrize("query", ["path=etc", "path=/a%00b", "path="])
def test_what_is_no_path_is_refused(query: str) -> None:
    with pytest.raises(BadRequest):
        path_of(asking(query))


def test_crumbs_lead_from_the_root_to_the_end() -> None:
    assert crumbs("/") == [("/", "/")]
    assert crumbs("/a/b c") == [("/", "/"), ("a", "/a"), ("b c", "/a/b c")]


def test_directories_come_first_and_hidden_ones_only_when_asked_for() -> None:
    entries = [entry("b"), entry(".h"), entry("A"), entry("z", directory=True)]
    shown = listed(entries, hidden=False)
    assert [one.name for one in shown.entries] == ["z", "A", "b"]
    assert (shown.total, shown.hidden) == (3, 1)
    assert [one.name for one in listed(entries, hidden=True).entries] == ["z", ".h", "A", "b"]


def test_a_large_directory_is_shown_in_part() -> None:
    shown = listed([entry(str(number)) for number in range(50_000)], hidden=False)
    assert len(shown.entries) == MOST_LISTED
    assert shown.total == 50_000


def test_control_and_direction_characters_are_seen() -> None:
    assert visible.of_name("a\x1b[31m\u202egpj.exe\n") == "a\\x1b[31m\\u202egpj.exe\\n"
    assert visible.of_name("Grüße 東京 'x' \\n") == "Grüße 東京 'x' \\n"
    assert visible.of_text("a\r\n\tb\rc\x07") == "a\n\tb\\rc\\x07"


@pytest.mark.parametrize("content", [b"a\0b", b"\xff\xfe", b"caf\xc3"])
def test_what_is_not_text_is_not_shown(content: bytes) -> None:
    assert viewed(content, len(content)).text is None


def test_a_long_text_is_cut_even_within_a_character() -> None:
    view = viewed(b"x" * (VIEWED - 1) + "é".encode(), None)
    assert view.cut
    assert view.text == "x" * (VIEWED - 1)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.txt", "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt"),
        ('x"\r\nA: b', "attachment; filename=\"x___A: b\"; filename*=UTF-8''x%22%0D%0AA%3A%20b"),
        ("Grüße", "attachment; filename=\"Gr__e\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe"),
        ("", "attachment; filename=\"file\"; filename*=UTF-8''"),
    ],
)  # fmt: skip
def test_a_name_stays_within_its_header(name: str, header: str) -> None:
    assert attachment(name) == header


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("sleep", ["60"]), "sleep 60"),
        (("/bin/sh", ["-c", "echo $HOME | cat"]), "echo $HOME | cat"),
        (("echo", ["a b", "c'd"]), """echo 'a b' 'c'"'"'d'"""),
        (("true", None), "true"),
    ],
)
def test_a_command_is_shown_as_it_would_be_typed(words: tuple[str, list[str] | None], shown: str) -> None:
    session = ExecSession(
        session_id="0123abcd", sandbox_id="sb-0123abcd", command=words[0], args=words[1], running=True,
        started_at="2026-01-02T03:04:05Z", attached_clients=0,
    )  # fmt: skip
    assert command(session) == shown
