"""What of a request to run something is refused, and in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oc.model.errors import BadRequest, OpenComputerError, TooLarge
from oc.worker.exec_request import parse

REFUSED: list[tuple[str, Any, type[OpenComputerError], str]] = [
    ("no cmd", {}, BadRequest, "cmd is required"),
    ("blank cmd", {"cmd": "  "}, BadRequest, "cmd is required"),
    ("not an object", ["ls"], BadRequest, "must be a JSON object"),
    ("cmd of another type", {"cmd": 1}, BadRequest, "cmd: expected `str"),
    ("argument of another type", {"cmd": "ls", "args": ["-l", 3]}, BadRequest, r"args\[1\]: expected `str`"),
    ("bool for a number", {"cmd": "ls", "timeout": True}, BadRequest, "timeout: expected `int"),
    ("timeout above its range", {"cmd": "ls", "timeout": 10**9}, BadRequest, "timeout: expected `int` <= 2592000"),
    ("variable of another type", {"cmd": "ls", "envs": {"A": 1}}, BadRequest, "envs.*expected `str`"),
    ("variable with =", {"cmd": "ls", "envs": {"A=B": "1"}}, BadRequest, "envs: 'A=B'"),
    ("variable without name", {"cmd": "ls", "envs": {"": "1"}}, BadRequest, "envs: ''"),
    ("NUL in cmd", {"cmd": "l\0s"}, BadRequest, "cmd must not contain NUL"),
    ("NUL in an argument", {"cmd": "ls", "args": ["a\0"]}, BadRequest, r"args\[0\] must not contain NUL"),
    ("NUL in a variable", {"cmd": "ls", "envs": {"A": "\0"}}, BadRequest, r"envs\[A\] must not contain NUL"),
    ("relative cwd", {"cmd": "ls", "cwd": "src"}, BadRequest, "cwd must be an absolute path"),
    ("user with a blank", {"cmd": "ls", "user": "a b"}, BadRequest, "user: "),
    ("user with a newline", {"cmd": "ls", "user": "root\n"}, BadRequest, "user: "),
    ("one long text", {"cmd": "ls", "args": ["x" * 70_000]}, TooLarge, r"args\[0\] is too long"),
    ("many texts", {"cmd": "ls", "args": ["x" * 60_000] * 14}, TooLarge, r"args\[\d+\] is too long"),
    ("many empty texts", {"cmd": "ls", "args": [""] * 200_000}, TooLarge, r"args\[\d+\] is too long"),
]


@pytest.mark.parametrize(("body", "kind", "text"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED])
def test_refused(body: Any, kind: type[OpenComputerError], text: str) -> None:
    with pytest.raises(kind, match=text):
        parse(json.dumps(body).encode())


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"cmd": "\\ud800"}', b"[" * 100_000])
def test_what_is_not_json_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest, match="request body"):
        parse(body)


def test_null_is_absent_and_unknown_fields_are_ignored() -> None:
    command = parse(b'{"cmd": "ls", "args": null, "envs": null, "cwd": null, "timeout": null, "later": {"x": 1}}')
    start = command.start("0" * 8, stdin=False, timeout_s=60, linger_s=0)
    assert (start.argv, start.env, start.cwd, start.timeout_ms) == (("ls",), (), "", 60_000)


@pytest.mark.parametrize(
    ("body", "argv"),
    [
        ({"cmd": "npm test"}, ("npm", "test")),
        ({"cmd": "echo $HOME"}, ("/bin/sh", "-c", "echo $HOME")),
        ({"cmd": "a\nb"}, ("/bin/sh", "-c", "a\nb")),
        ({"cmd": "my prog", "args": ["x y"]}, ("my prog", "x y")),
        ({"cmd": "ls -l", "args": []}, ("ls", "-l")),
    ],
)
def test_a_command_line_goes_to_the_shell_only_where_it_needs_one(body: Any, argv: tuple[str, ...]) -> None:
    assert parse(json.dumps(body).encode()).argv == argv
