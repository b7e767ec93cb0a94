"""Bad input, each with a clear message, the right status and exit code, and nothing left behind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.system.leaks import leaks
from tests.system.stack import Stack

CREATE = ("POST", "/sandboxes")
RUN = ("POST", "/sandboxes/{id}/exec/run")


@pytest.mark.parametrize(
    ("call", "body", "status", "words"),
    [
        (CREATE, "[]", 400, "object"),
        (CREATE, "{", 400, "JSON"),
        (CREATE, {"timeout": -1}, 400, "timeout"),
        (CREATE, {"timeout": "1"}, 400, "timeout"),
        (CREATE, {"timeout": 10**30}, 400, "timeout"),
        (CREATE, {"memoryMB": 1}, 400, "memoryMB"),
        (CREATE, {"memoryMB": 10**9}, 400, "memoryMB"),
        (CREATE, {"memoryMB": True}, 400, "memoryMB"),
        (CREATE, {"cpuCount": 0}, 400, "cpuCount"),
        (CREATE, {"cpuCount": 4096}, 400, "cpuCount"),
        (CREATE, {"diskMB": 1}, 400, "diskMB"),
        (CREATE, {"envs": {"A": 1}}, 400, "envs"),
        (CREATE, {"envs": {"A=B": "1"}}, 400, "envs"),
        (CREATE, {"envs": {"A": "nul\0"}}, 400, "envs"),
        (CREATE, {"metadata": ["a"]}, 400, "metadata"),
        (CREATE, {"templateID": "../base"}, 404, "template not found: ../base"),
        (CREATE, {"secretStore": "none"}, 400, "secret store not found: none"),
        (RUN, {}, 400, "cmd"),
        (RUN, {"cmd": 5}, 400, "cmd"),
        (RUN, {"cmd": "a\0b"}, 400, "cmd"),
        (RUN, {"cmd": "true", "args": ["a\0"]}, 400, "args"),
        (RUN, {"cmd": "true", "args": "a"}, 400, "args"),
        (RUN, {"cmd": "true", "cwd": "\0"}, 400, "cwd"),
        (RUN, {"cmd": "true", "envs": {"": "x"}}, 400, "envs"),
        (RUN, {"cmd": "no-such-program"}, 500, "no-such-program"),
        (RUN, {"cmd": "true", "cwd": "/no/such/place"}, 500, "/no/such/place"),
        (("POST", "/sandboxes/{id}/exec"), {"cmd": ""}, 400, "cmd"),
        (("POST", "/sandboxes/{id}/exec/00000000/kill"), {"signal": 9}, 404, "00000000"),
        (("POST", "/sandboxes/{id}/exec/00000000/kill"), {"signal": 999}, 400, "signal"),
        (("GET", "/sandboxes/{id}/exec/00000000/result"), None, 404, "00000000"),
        (("GET", "/sandboxes/{id}/files"), None, 400, "path"),
        (("GET", "/sandboxes/{id}/files?path=/no/such"), None, 404, "/no/such"),
        (("GET", "/sandboxes/{id}/files?path=/etc"), None, 404, "/etc"),
        (("GET", "/sandboxes/{id}/files?path=%00"), None, 400, "path"),
        (("POST", "/sandboxes/{id}/timeout"), {"timeout": -1}, 400, "non-negative"),
        (("GET", "/sandboxes/sb-00000000"), None, 404, "sandbox"),
        (("GET", "/sandboxes/..%2f..%2fetc"), None, 404, ""),
        (("DELETE", "/sandboxes/sb-zzzzzzzz"), None, 404, "sandbox"),
        (("PATCH", "/sandboxes"), None, 405, ""),
        (("GET", "/nothing/here"), None, 404, ""),
    ],
)
def test_answer_names_what_is_wrong(
    stack: Stack, sandbox: str, call: tuple[str, str], body: Any, status: int, words: str
) -> None:
    method, path = call
    content = {} if body is None else {"content": body} if isinstance(body, str) else {"json": body}
    with stack.api() as api:
        answer = api.request(method, path.format(id=sandbox), **content)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]


def test_ten_megabytes_of_env_are_refused(stack: Stack, sandbox: str) -> None:
    envs = {f"V{number}": "x" * 10_000 for number in range(1000)}
    with stack.api() as api:
        assert api.post("/sandboxes", json={"envs": envs}).status_code in {400, 413}
        answer = api.post(f"/sandboxes/{sandbox}/exec/run", json={"cmd": "true", "envs": envs})
    assert answer.status_code in {400, 413}
    assert stack.sh(sandbox, "echo well").out == "well\n"


def test_traversal_stays_inside(stack: Stack, sandbox: str) -> None:
    with stack.api() as api:
        answer = api.get(f"/sandboxes/{sandbox}/files", params={"path": "/../../../../etc/hostname"})
    assert answer.text.strip() == sandbox


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["sandbox", "get", "sb-00000000"], 3, "not found"),
        (["sandbox", "get", "nonsense"], 3, ""),
        (["exec", "ID"], 1, "command"),
        (["exec", "ID", "--wait", "--detach", "--", "true"], 1, "--detach"),
        (["exec", "ID", "--", "no-such-program"], 5, "no-such-program"),
        (["exec", "ID", "--timeout", "-5", "--", "true"], 1, "timeout"),
        (["create", "--memory", "lots"], 1, "memory"),
        (["create", "--memory", "1"], 3, "memoryMB"),
        (["create", "--env", "novalue"], 1, "novalue"),
        (["nonsense"], 1, "nonsense"),
        (["config", "set", "color", "red"], 1, "api-key"),
    ],
)
def test_command_line_says_it_in_its_exit_code(
    stack: Stack, sandbox: str, argv: list[str], code: int, words: str
) -> None:
    ran = stack.oc(*(sandbox if part == "ID" else part for part in argv))
    assert (ran.code, ran.out) == (code, ""), ran
    assert words in ran.err


@pytest.mark.parametrize("key", ["", "osb_" + "0" * 64, "not a key"])
def test_wrong_key_is_refused_with_advice(stack: Stack, sandbox: str, key: str) -> None:
    ran = stack.oc("exec", sandbox, "--", "true", key=key)
    assert ran.code in {1, 3}
    assert "unauthorized" in ran.err.lower() or "missing api key" in ran.err.lower()
    assert "config set api-key" in ran.err


def test_other_organizations_sandbox_does_not_exist(stack: Stack, sandbox: str) -> None:
    stranger = stack.new_key("strangers")
    with stack.api(stranger) as api:
        assert api.get("/sandboxes").json() == []
        for method, path in [
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "/timeout"),
            ("GET", "/exec"),
            ("GET", "/files?path=/"),
        ]:
            body = {"timeout": 5} if method == "POST" else None
            assert api.request(method, f"/sandboxes/{sandbox}{path}", json=body).status_code == 404
    assert stack.sh(sandbox, "echo mine").out == "mine\n"


def test_same_idempotency_key_makes_one_sandbox(stack: Stack) -> None:
    with stack.api() as api:
        answers = [api.post("/sandboxes", json={}, headers={"Idempotency-Key": "once"}) for _ in range(2)]
    first, second = (answer.json()["sandboxID"] for answer in answers)
    stack.kill(first)
    assert first == second


def test_nothing_is_left_of_refused_requests(stack: Stack) -> None:
    with stack.api() as api:
        living = [sandbox["sandboxID"] for sandbox in api.get("/sandboxes").json()]
    assert leaks(stack, *living) == {}
