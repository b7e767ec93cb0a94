"""Checkpoints, patches, sleep: what is sent, what is printed, and how a checkpoint is waited for."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.program import OC, PATIENCE_S, Program
from tests.integration.cli.stand_in_checkpoints import AWAY

ID = "sb-00000001"


def sent(oc: Program, path: str) -> Any:
    """The latest request to that path."""
    return [request for request in oc.seen()["requests"] if request["path"] == f"/api/sandboxes/{path}"][-1]


# --- sleep -----------------------------------------------------------------------------------------------------------


def test_hibernate_tells_the_size_when_it_is_known(oc: Program) -> None:
    assert oc("sandbox", "hibernate", ID).out == f"Sandbox {ID} hibernated.\nSize: 12.3 MB\n".encode()
    assert oc("sandbox", "hibernate", "sb-00000003").out == b"Sandbox sb-00000003 hibernated.\n"
    scripted = json.loads(oc("sandbox", "hibernate", ID, "--json").out)
    assert (scripted["sandboxID"], scripted["sandboxId"], scripted["status"]) == (ID, ID, "hibernated")


def test_wake_sends_a_timeout_only_when_there_is_one(oc: Program) -> None:
    assert oc("sandbox", "wake", ID).out == f"Sandbox {ID} woke up (status: running)\n".encode()
    assert sent(oc, f"{ID}/wake")["body"] == {}
    assert json.loads(oc("sandbox", "wake", ID, "--timeout", "600", "--json").out)["status"] == "running"
    assert sent(oc, f"{ID}/wake")["body"] == {"timeout": 600}


@pytest.mark.parametrize(("verb", "done"), [("reboot", "rebooted"), ("power-cycle", "power-cycled")])
def test_boot_again(oc: Program, verb: str, done: str) -> None:
    assert oc("sandbox", verb, ID).out == f"Sandbox {ID} {done}.\n".encode()
    assert json.loads(oc("sandbox", verb, ID, "--json").out)["sandboxID"] == ID
    assert sent(oc, f"{ID}/{verb}")["body"] is None


# --- checkpoints -----------------------------------------------------------------------------------------------------


def test_create_sends_what_was_given(oc: Program) -> None:
    ran = oc("checkpoint", "create", ID, "--name", "quick")
    id = ran.out.split()[2].decode()
    assert (ran.code, ran.out.decode()) == (0, f"Checkpoint created: {id} (status: processing)\nName: quick\n")
    request = sent(oc, f"{ID}/checkpoints")
    assert request["body"] == {"name": "quick"}
    assert len(request["headers"]["idempotency-key"]) == 32
    flags = "--kind disk_only --retention-policy delete_oldest --retention-max-count 3 --json"
    assert json.loads(oc("cp", "create", ID, "--name", "quick", *flags.split()).out)["status"] == "processing"
    assert sent(oc, f"{ID}/checkpoints")["body"] == {
        "name": "quick",
        "kind": "disk_only",
        "retentionPolicy": {"mode": "delete_oldest", "maxCount": 3},
    }


def test_list_is_a_table_for_people_and_an_array_for_scripts(oc: Program) -> None:
    head, *rows = oc("cp", "list", "sb-0000000a").out.decode().splitlines()
    assert head.split() == ["ID", "NAME", "STATUS", "SIZE", "CREATED"]
    assert [row.split() for row in rows] == [
        ["third", "third", "processing", "-", "2026-01-02T03:04:05Z"],
        ["first", r"\x1b[31mred", "ready", "12.3", "MB", "2026-01-02T03:04:05Z"],
    ]
    assert [one["id"] for one in json.loads(oc("checkpoint", "list", "sb-0000000a", "--json").out)] == [
        "third",
        "first",
    ]
    assert oc("checkpoint", "list", "sb-00000000").out == b"No checkpoints found.\n"


def test_restore_and_publish(oc: Program) -> None:
    assert oc("checkpoint", "restore", ID, "first").out == f"Sandbox {ID} restored to checkpoint first\n".encode()
    restored = json.loads(oc("checkpoint", "restore", ID, "first", "--json").out)
    assert restored == {"sandboxId": ID, "checkpointId": "first", "status": "restoring"}
    assert oc("checkpoint", "publish", "first").out == b"Checkpoint first published (public: true)\n"
    assert oc("checkpoint", "unpublish", "first").out == b"Checkpoint first unpublished (public: false)\n"
    assert json.loads(oc("checkpoint", "publish", "first", "--json").out)["isPublic"] is True


def test_spawn_makes_one_or_many_and_tells_of_failed_patches(oc: Program) -> None:
    ran = oc("checkpoint", "spawn", "first")
    assert ran.out == b"Created sandbox sb-00000100 from checkpoint (status: running)\n"
    assert b"patch seq 2 failed" in ran.err
    assert sent(oc, "from-checkpoint/first")["body"] == {"timeout": 0}
    assert json.loads(oc("checkpoint", "spawn", "first", "--json").out)["sandboxID"] == "sb-00000100"
    scripted = oc("checkpoint", "spawn", "first", "--timeout", "300", "--count", "3", "--json")
    assert [one["sandboxID"] for one in json.loads(scripted.out)] == [f"sb-0000010{number}" for number in range(3)]
    assert sent(oc, "from-checkpoint/first")["body"] == {"timeout": 300, "count": 3}
    assert oc("checkpoint", "spawn", "first", "--count", "3").out.count(b"Created sandbox sb-") == 3
    assert oc("checkpoint", "spawn", "absent").code == 3


@pytest.mark.parametrize("name", ["first", "absent"])
def test_delete_is_done_when_it_is_gone(oc: Program, name: str) -> None:
    assert oc("checkpoint", "delete", ID, name).out == f"Checkpoint {name} deleted.\n".encode()
    assert oc("patch", "delete", "first", name).out == f"Patch {name} deleted.\n".encode()
    assert json.loads(oc("checkpoint", "delete", ID, name, "--json").out)["status"] == "deleted"
    assert json.loads(oc("patch", "delete", "first", name, "--json").out)["status"] == "deleted"


@pytest.mark.parametrize(
    ("id", "code"), [("sb-00000404", 3), ("sb-00000409", 4), ("sb-00000410", 3), ("sb-00000500", 5)]
)
def test_exit_code_tells_the_kind_of_failure(oc: Program, id: str, code: int) -> None:
    for argv in (
        ["sandbox", "hibernate", id],
        ["sandbox", "wake", id],
        ["sandbox", "reboot", id],
        ["checkpoint", "create", id, "--name", "quick", "--wait"],
        ["checkpoint", "list", id],
        ["checkpoint", "restore", id, "first"],
        ["checkpoint", "tree", id],
    ):
        ran = oc(*argv)
        assert (ran.code, ran.out) == (code, b""), argv


# --- a checkpoint that is waited for ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["quick", "slow", "interrupted"])
def test_wait_ends_when_it_is_ready(oc: Program, name: str) -> None:
    ran = oc("checkpoint", "create", f"sb-of-{name}", "--name", name, "--wait")
    first, _, last = ran.out.decode().splitlines()
    id = first.split()[2]
    assert (ran.code, last) == (0, f"Checkpoint ready: {id} (12.3 MB)")
    assert (f"oc: checkpoint {id} waits: {AWAY}\n".encode() in ran.err) == (name == "slow")
    scripted = oc("checkpoint", "create", f"sb-of-{name}", "--name", name, "--wait", "--json")
    assert json.loads(scripted.out)["status"] == "ready"


@pytest.mark.parametrize(("name", "code", "why"), [("doomed", 5, "the disk is full"), ("fleeting", 3, "was deleted")])
def test_wait_tells_what_went_wrong(oc: Program, name: str, code: int, why: str) -> None:
    ran = oc("checkpoint", "create", f"sb-of-{name}", "--name", name, "--wait", "--json")
    assert (ran.code, ran.out) == (code, b"")
    assert why in json.loads(ran.err)["error"]


def test_interrupt_ends_the_waiting(oc: Program) -> None:
    with oc.start("checkpoint", "create", ID, "--name", "endless", "--wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"Checkpoint created: endless")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (130, b"")


def test_progress_is_shown_on_a_terminal_and_removed(oc: Program) -> None:
    ours, theirs = pty.openpty()
    try:
        argv = [str(OC), "checkpoint", "create", "sb-of-slow", "--name", "slow", "--wait"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=theirs, env=oc.variables()) as process:
            out, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        os.close(theirs)
        shown = everything(ours)
        os.close(ours)
    assert out.count(b"\n") == 3
    assert b"\r\x1b[Kstoring the checkpoint (" in shown
    assert shown.endswith(b"\r\x1b[K")


def everything(terminal: int) -> bytes:
    """What was written to a terminal that nobody has open any more."""
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # EIO: there is no more
            return shown


# --- lineage ---------------------------------------------------------------------------------------------------------

TREE = r"""
sb-0000000a  stopped
├── \x1b[31mred  first  ready  12.3 MB
│   └── sb-0000000b  hibernated
│       └── second  second  ready  12.3 MB
│           └── sb-0000000c  running
└── third  third  processing  -
sb-0000000e  running  (from checkpoint deleted, which is not here)
"""


def test_tree_draws_what_was_made_of_what(oc: Program) -> None:
    assert oc("checkpoint", "tree").out.decode() == TREE.lstrip()
    part = oc("cp", "tree", "sb-0000000b").out.decode().splitlines()
    assert part[:3] == [
        "sb-0000000a  stopped",
        r"└── \x1b[31mred  first  ready  12.3 MB",
        "    └── sb-0000000b  hibernated",
    ]
    assert [line.split()[1] for line in part[-2:]] == ["sb-0000000c", "sb-0000000d"]


def test_tree_is_a_flat_array_for_scripts(oc: Program) -> None:
    entries = json.loads(oc("checkpoint", "tree", "--json").out)
    assert [(entry["type"], entry["id"], entry["parent"]) for entry in entries[:3]] == [
        ("sandbox", "sb-0000000a", None),
        ("checkpoint", "first", "sb-0000000a"),
        ("sandbox", "sb-0000000b", "first"),
    ]


def test_tree_of_a_sandbox_that_the_list_does_not_reach(oc: Program) -> None:
    assert oc("checkpoint", "tree", "sb-00000000").out == b"sb-00000000  running\n"


# --- patches ---------------------------------------------------------------------------------------------------------


def test_patch_is_read_from_a_file_or_from_standard_input(oc: Program, tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.write_text("echo ü\n")
    ran = oc("patch", "create", "first", "--script", str(script), "--description", "Add it")
    assert ran.out == b"Patch created: patch-1 (sequence: 7)\n"
    assert sent(oc, "checkpoints/first/patches")["body"] == {"script": "echo ü\n", "description": "Add it"}
    scripted = oc("patch", "create", "first", "--script", "-", "--json", input=b"apt install -y curl\n")
    assert json.loads(scripted.out)["patch"]["id"] == "patch-1"
    assert sent(oc, "checkpoints/first/patches")["body"] == {"script": "apt install -y curl\n", "description": ""}


def test_what_is_no_script_is_not_sent(oc: Program, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\x7fELF\xff")
    for name, why in (("binary", b"not text in UTF-8"), ("missing", b"No such file"), (".", b"Is a directory")):
        ran = oc("patch", "create", "unsent", "--script", str(tmp_path / name))
        assert (ran.code, ran.out) == (1, b"")
        assert why in ran.err
        assert str(tmp_path).encode() in ran.err
    assert [one for one in oc.seen()["requests"] if "unsent" in one["path"]] == []


def test_patches_are_listed_in_their_order(oc: Program) -> None:
    head, row = oc("patch", "list", "first").out.decode().splitlines()
    assert head.split() == ["ID", "SEQ", "DESCRIPTION", "STRATEGY", "CREATED"]
    assert row.split() == ["patch-1", "7", "-", "on_wake", "2026-01-02T03:04:05Z"]
    assert oc("patch", "list", "second").out == b"No patches found.\n"
    assert json.loads(oc("patch", "list", "second", "--json").out) == []
