"""The documented workflow, word for word, on real packages from the registries that the host uses."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.system.stack import OC, Ran, Stack, execute


def shell(stack: Stack, script: str, timeout: float = 900) -> Ran:
    environment = stack.user_environment()
    environment["PATH"] = f"{Path(OC).parent}:{environment['PATH']}"
    return execute(["bash", "-c", f"set -o pipefail; {script}"], environment, timeout=timeout)


@pytest.fixture(scope="module")
def id(stack: Stack) -> str:
    made = shell(stack, "oc create --json | jq -r '.sandboxID'")
    assert made.code == 0, made.err
    return made.out.strip()


@pytest.mark.parametrize(
    ("line", "out"),
    [
        ("oc exec $ID --wait -- apt update", "Reading package lists"),
        ("oc exec $ID --wait -- apt install -y tree", "Setting up tree"),
        ("oc exec $ID --wait -- tree --version", "tree v"),
        ("oc exec $ID --wait -- pip install flask", "Successfully installed"),
        ("oc exec $ID --wait --cwd /srv -- npm install is-number", "added 1 package"),
        ("oc exec $ID -- node -e \"console.log('hello')\"", "hello\n"),
        ("oc exec $ID -- echo hi there", "hi there\n"),
        ("oc exec $ID --cwd /tmp -- pwd", "/tmp\n"),
        ("oc exec $ID --env NODE_ENV=production -- sh -c 'echo $NODE_ENV'", "production\n"),
        ("oc exec $ID --timeout 120 -- sh -c 'cc --version | head -1'", "cc"),
        ("seq 1000000 | oc exec $ID -- wc -l", "1000000\n"),
        ("oc exec $ID --user sandbox -- whoami", "sandbox\n"),
        ("oc ls", "ID"),
        ("oc sandbox get $ID", "Status:"),
        ("oc sandbox set-timeout $ID 600", "Timeout updated to 600s for sandbox"),
    ],
)
def test_line_runs_as_written(stack: Stack, id: str, line: str, out: str) -> None:
    ran = shell(stack, f"ID={id}; {line}")
    assert ran.code == 0, ran.err + ran.out
    assert out in ran.out


def test_json_of_wait_has_the_three_keys(stack: Stack, id: str) -> None:
    ran = shell(stack, f"oc exec {id} --wait --json -- whoami")
    assert (ran.code, ran.json()) == (0, {"exitCode": 0, "stdout": "root\n", "stderr": ""})


def test_remote_exit_code_is_the_exit_code(stack: Stack, id: str) -> None:
    assert shell(stack, f"oc exec {id} -- sh -c 'exit 7'; echo $?").out == "7\n"
    assert shell(stack, f"oc exec {id} --wait -- sh -c 'exit 8'; echo $?").out == "8\n"


def test_detached_session_is_listed_attached_to_and_killed(stack: Stack, id: str) -> None:
    session = shell(stack, f"oc exec {id} --detach -- sh -c 'echo begun; sleep 300'").out.strip()
    assert session in shell(stack, f"oc exec list {id}").out
    assert shell(stack, f"oc exec kill {id} {session}").out == f"Session {session} killed\n"
    attached = shell(stack, f"oc exec attach {id} {session}; echo $?")
    assert attached.out == "begun\n255\n"


def test_published_shape_of_create_answers_everything_clients_read(stack: Stack) -> None:
    made = stack.oc(
        "create", "--json", "--cpu", "1", "--memory", "512", "--metadata", "project=demo", "--env", "A=1,B=2"
    )
    sandbox = made.json()
    try:
        assert sandbox["status"] == "running"
        assert (sandbox["cpuCount"], sandbox["memoryMB"]) == (1, 512)
        assert sandbox["metadata"] == {"project": "demo"}
        assert sandbox["sandboxDomain"]
        assert stack.sh(sandbox["sandboxID"], "echo $A$B").out == "12\n"
    finally:
        stack.kill(sandbox["sandboxID"])


def test_files_go_in_and_out(stack: Stack, id: str) -> None:
    with stack.api() as api:
        path = {"path": "/root/deep/er/file"}
        assert api.put(f"/sandboxes/{id}/files", params=path, content=b"\0\xff" * 1000).status_code == 204
        assert api.get(f"/sandboxes/{id}/files", params=path).content == b"\0\xff" * 1000
        listed = api.get(f"/sandboxes/{id}/files/list", params={"path": "/root/deep/er"}).json()
        assert [(entry["name"], entry["isDir"], entry["size"]) for entry in listed] == [("file", False, 2000)]
        assert api.delete(f"/sandboxes/{id}/files", params=path).status_code == 204
        assert api.get(f"/sandboxes/{id}/files", params=path).status_code == 404


def test_kill_ends_it_for_good(stack: Stack, id: str) -> None:
    ran = shell(stack, f"oc sandbox kill {shlex.quote(id)}")
    assert ran.out == f"Sandbox {id} killed.\n"
    assert json.loads(shell(stack, f"oc sandbox get {id} --json").out)["status"] == "stopped"
    again = subprocess.run(
        [OC, "exec", id, "--", "true"], env=stack.user_environment(), capture_output=True, check=False
    )
    assert again.returncode == 3
    assert b"stopped" in again.stderr
