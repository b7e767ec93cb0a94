"""URLs, and answers of servers and of what stands before them."""

from __future__ import annotations

import socket

import pytest

from oc.cli import http
from oc.cli.api import Api, failure, path
from oc.cli.errors import CliError, Unreachable
from oc.cli.origin import Origin


@pytest.mark.parametrize(
    ("url", "host", "port", "base"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1", 8080, "/api"),
        ("http://127.0.0.1:8080/", "127.0.0.1", 8080, "/api"),
        ("https://oc.example.com/api/", "oc.example.com", 443, "/api"),
        ("http://[::1]:8080/under/here", "::1", 8080, "/under/here/api"),
    ],
)
def test_url_leads_to_the_api(url: str, host: str, port: int, base: str) -> None:
    origin = Origin(url)
    assert (origin.host, origin.port, origin.path) == (host, port, base)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8080", "ftp://x", "http://", "http://x:99999", "http://a b", "http://x\r\nA: b", "http://u@x"],
)
def test_what_is_no_url_is_named(url: str) -> None:
    with pytest.raises(CliError, match="API URL"):
        Origin(url)


def test_no_id_leads_out_of_its_place() -> None:
    assert path("sandboxes", "../x?y#z", "exec") == "/sandboxes/..%2Fx%3Fy%23z/exec"


def test_a_key_cannot_carry_a_header() -> None:
    with pytest.raises(CliError, match="unauthorized"):
        Api(Origin("http://localhost"), "osb_1\r\nX-Other: 1")


@pytest.mark.parametrize(
    ("status", "body", "text", "code"),
    [
        (404, b'{"error":"sandbox not found"}', "sandbox not found", 3),
        (409, b'{"error":{"message":"in conflict","code":"x"}}', "in conflict", 4),
        (502, b"<html>Bad Gateway</html>", "<html>Bad Gateway</html>", 5),
        (503, b"", "status 503", 5),
        (401, b'{"error":"invalid API key"}', "unauthorized: invalid API key", 3),
        (401, b'{"error":"missing API key"}', "missing API key", 3),
        (500, b'["error"]', '["error"]', 5),
    ],
)
def test_error_answers_become_words_and_exit_codes(status: int, body: bytes, text: str, code: int) -> None:
    error = failure(status, body, "http://h:1/api")
    assert text in error.text
    assert error.exit_code == code
    wanted = ("http://h:1/settings/keys", "oc config set api-key", "oc login", "oc-host keys create")
    assert all((words in error.hint) == (status == 401) for words in wanted)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbodymore", b"body"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end", b"to the end"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
            b"abc0123456789",
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_bodies_end_where_they_should(answer: bytes, body: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        assert http.receive(ours).body() == body


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    ],
)
def test_broken_answers_are_no_answers(answer: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(Unreachable):
            http.receive(ours).body()
