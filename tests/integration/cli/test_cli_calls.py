"""Commands that ask once: what they send, what they print, how they fail."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.cli.program import Program

ID = "sb-00000001"


def sent(oc: Program, path: str) -> Any:
    """The latest request to that path."""
    return [request for request in oc.seen()["requests"] if request["path"] == f"/api/{path}"][-1]


def test_create_sends_what_was_given_and_prints_the_id(oc: Program) -> None:
    ran = oc("create")
    assert (ran.code, ran.out, ran.err) == (0, f"Created sandbox {ID} (status: running)\n".encode(), b"")
    assert sent(oc, "sandboxes")["body"] == {"timeout": 0}
    flags = "--timeout 300 --cpu 1 --memory 512 --env A=1,B=2 --env C=3 --metadata project=demo --secret-store s"
    ran = oc("--json", "sandbox", "create", *flags.split(), "--preview-auth")
    assert json.loads(ran.out)["sandboxID"] == ID
    request = sent(oc, "sandboxes")
    assert len(request["headers"]["idempotency-key"]) == 32
    assert request["body"] == {
        "timeout": 300,
        "cpuCount": 1,
        "memoryMB": 512,
        "envs": {"A": "1", "B": "2", "C": "3"},
        "metadata": {"project": "demo"},
        "secretStore": "s",
        "previewAuth": {"scheme": "bearer", "token": "auto"},
    }


def test_list_is_a_table_for_people_and_an_array_for_scripts(oc: Program) -> None:
    head, first, second = oc("ls").out.decode().splitlines()
    assert head.split() == ["ID", "TEMPLATE", "STATUS", "CPU", "MEM", "AGE"]
    assert first.split()[:5] == [ID, "base", "running", "1", "1024MB"]
    assert r"\x1b[31mred" in second
    assert [sandbox["sandboxID"] for sandbox in json.loads(oc("sandbox", "ls", "--json").out)] == [ID, "sb-00000002"]


def test_get_shows_labelled_lines(oc: Program) -> None:
    lines = oc("sandbox", "get", ID).out.decode().splitlines()
    assert [line.split()[0] for line in lines] == [
        "ID:",
        "Template:",
        "Status:",
        "CPU:",
        "Memory:",
        "Started:",
        "Ends:",
    ]


def test_get_says_why_a_patch_has_failed(oc: Program) -> None:
    lines = oc("sandbox", "get", "sb-00000002").out.decode().splitlines()
    assert lines[-1].split(maxsplit=2) == ["Patch", "error:", "patch seq 2 failed: exit code 3"]


def test_short_answers(oc: Program) -> None:
    assert oc("sandbox", "kill", ID).out == f"Sandbox {ID} killed.\n".encode()
    assert oc("sandbox", "set-timeout", ID, "600").out == f"Timeout updated to 600s for sandbox {ID}\n".encode()
    assert sent(oc, f"sandboxes/{ID}/timeout")["body"] == {"timeout": 600}
    assert b"Org ID:    o-1\n" in oc("whoami").out
    assert json.loads(oc("whoami", "--json").out)["org_id"] == "o-1"


def test_sizes_are_asked_for_and_shown(oc: Program) -> None:
    assert oc("sandbox", "scale", ID, "2048").out == f"Sandbox {ID} scaled: 2048 MB, 100% CPU\n".encode()
    assert sent(oc, f"sandboxes/{ID}/scale")["body"] == {"memoryMB": 2048}
    scaled = json.loads(oc("sandbox", "scale", ID, "512", "--cpu", "0.5", "--json").out)
    assert (scaled["sandboxID"], scaled["memoryMB"], scaled["cpuPercent"]) == (ID, 512, 50)
    assert sent(oc, f"sandboxes/{ID}/scale")["body"] == {"memoryMB": 512, "cpuCount": 0.5}
    autoscale = f"Autoscale of sandbox {ID}: "
    assert oc("sandbox", "autoscale", ID).out == f"{autoscale}disabled\n".encode()
    shown = oc("sandbox", "autoscale", ID, "--on", "--min", "512", "--max", "4096").out
    assert shown == f"{autoscale}enabled, 512 to 4096 MB\n".encode()
    assert oc("sandbox", "autoscale", ID, "--off").out == f"{autoscale}disabled\n".encode()
    assert sent(oc, f"sandboxes/{ID}/autoscale")["body"] == {"enabled": False}


def test_a_size_is_locked_and_unlocked(oc: Program) -> None:
    for verb, state in (("lock", "locked"), ("unlock", "unlocked"), ("lock-status", "unlocked")):
        assert oc("sandbox", verb, ID).out == f"Scaling of sandbox {ID} is {state}\n".encode()
    assert json.loads(oc("sandbox", "lock", ID, "--json").out)["locked"] is True


@pytest.mark.parametrize(
    ("id", "code"), [("sb-00000404", 3), ("sb-00000409", 4), ("sb-00000410", 3), ("sb-00000500", 5)]
)
def test_exit_code_tells_the_kind_of_failure(oc: Program, id: str, code: int) -> None:
    for argv in (["sandbox", "get", id], ["exec", id, "--", "true"], ["exec", id, "--wait", "--", "true"]):
        plain, scripted = oc(*argv), oc("--json", *argv)
        assert (plain.code, plain.out, scripted.code, scripted.out) == (code, b"", code, b"")
        assert plain.err.startswith(b"Error: ")
        assert plain.err.endswith(b"\nHint: a hint\n")
        assert scripted.err.count(b"\n") == 1
        error = json.loads(scripted.err)
        assert error["code"] == code
        assert error["error"]


@pytest.mark.parametrize("key", ["", "osb_" + "0" * 64, "not a key", "line\nend"])
def test_a_wrong_key_is_answered_with_advice(oc: Program, key: str) -> None:
    for argv in (["ls"], ["exec", ID, "--", "true"], ["whoami"]):
        ran = replace(oc, key=key)(*argv)
        assert ran.code in {1, 3}
        assert b"unauthorized" in ran.err
        assert b"oc config set api-key" in ran.err


def test_no_server_is_answered_with_how_to_start_one(oc: Program) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can listen there
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}"
        for argv in (["ls"], ["exec", ID, "--", "true"]):
            ran = oc("--api-url", url, *argv)
            assert (ran.code, ran.out) == (1, b"")
            assert f"{url}: connection refused".encode() in ran.err
            assert b"make up" in ran.err


def test_saved_settings_are_used(oc: Program) -> None:
    bare = replace(oc, key="", url="")
    assert bare("config", "set", "api-url", f"{oc.url}/").code == 0
    assert bare("config", "set", "api-key", "-", input=f"{oc.key}\n".encode()).out == b"api-key updated\n"
    assert bare("ls").code == 0
    shown = bare("config", "show").out.decode()
    assert f"API URL:     {oc.url}/\n" in shown
    assert f"API Key:     osb_{'*' * 60}5555\n" in shown
    assert f"Config file: {oc.home}/.oc/config.json\n" in shown
    assert bare("config", "set", "api-key", "-").code == 1


def test_wait_prints_both_streams_and_exits_with_the_code(oc: Program) -> None:
    ran = oc("exec", ID, "--wait", "--cwd", "/app", "--env", "A=1,2", "--user", "sandbox", "--", "fail", "3", "--json")
    assert (ran.code, ran.out, ran.err) == (3, "out ü\n".encode(), b"err\n")
    assert sent(oc, f"sandboxes/{ID}/exec/run")["body"] == {
        "cmd": "fail",
        "args": ["3", "--json"],
        "cwd": "/app",
        "envs": {"A": "1,2"},
        "user": "sandbox",
        "timeout": 3600,
    }
    scripted = oc("exec", "--json", "--wait", "--timeout", "9", ID, "--", "fail", "3")
    assert scripted.code == 0
    assert json.loads(scripted.out) == {"exitCode": 3, "stdout": "out ü\n", "stderr": "err\n"}
    assert sent(oc, f"sandboxes/{ID}/exec/run")["body"]["timeout"] == 9


def test_detached_session_is_printed_listed_and_killed(oc: Program) -> None:
    session = oc("exec", ID, "--detach", "--", "wait").out.decode().strip()
    assert f"  {session}  running  wait  clients=0\n" in oc("exec", "list", ID).out.decode()
    assert oc("exec", "kill", ID, session, "--signal", "15").out == f"Session {session} killed\n".encode()
    assert oc.seen()["sessions"][session]["signals"] == [15]
    attached = oc("exec", "attach", ID, session)
    assert (attached.code, attached.out) == (143, b"ready\n")
    assert any(one["sessionID"] == session for one in json.loads(oc("exec", "list", ID, "--json").out))
