"""Checkpoints, forks, restores, patches and sleep, as the contract promises them (2.1.6-2.1.9, 2.6, 2.7, 4)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.system.stack import OC, Ran, Stack, execute, wait_for
from tests.system.time_travel import Timeline, artifacts, held, restarted_with, unknown

MB = 1 << 20


@pytest.fixture
def line(stack: Stack) -> Iterator[Timeline]:
    with Timeline(stack) as line:
        yield line


@pytest.fixture(scope="module")
def sleeper(stack: Stack) -> Iterator[tuple[str, str]]:
    """A sandbox and its session."""
    with Timeline(stack) as line:
        id = line.create()
        line.mark(id, 1)
        yield id, line.call("POST", f"/{id}/exec", 201, cmd="echo", args=["kept"])["sessionID"]


def shell(stack: Stack, script: str, timeout: float = 900) -> Ran:
    environment = stack.user_environment()
    environment["PATH"] = f"{Path(OC).parent}:{environment['PATH']}"
    return execute(["bash", "-c", f"set -euo pipefail; {script}"], environment, timeout=timeout)


# --- the documented workflow -----------------------------------------------------------------------------------------

WORKFLOW = r"""
cd "$DIRECTORY"
printf 'mkdir -p /app && echo key=value > /app/config\n' > ./inject-config.sh
ID=$(oc create --json | jq -r '.sandboxID')
oc exec $ID --wait -- apt update
oc exec $ID --wait -- apt install -y python3 pip
oc exec $ID --wait -- pip install flask
CP=$(oc checkpoint create $ID --name "python-flask" --json | jq -r '.id')
oc checkpoint list $ID
until oc checkpoint list $ID --json | jq -e --arg cp $CP '.[] | select(.id == $cp).status == "ready"' >/dev/null; do
    oc checkpoint list $ID --json | jq -e --arg cp $CP '.[] | select(.id == $cp).status == "processing"' >/dev/null
    sleep 1
done
FORK1=$(oc checkpoint spawn $CP --json | jq -r '.sandboxID')
FORK2=$(oc checkpoint spawn $CP --json | jq -r '.sandboxID')
oc patch create $CP --script ./inject-config.sh --description "Add app config"
echo "apt install -y curl" | oc patch create $CP --script -
oc patch list $CP
FORK3=$(oc checkpoint spawn $CP --timeout 300 --json | jq -r '.sandboxID')
for fork in $FORK1 $FORK2 $FORK3; do
    oc exec $fork --wait -- python3 -c 'import flask; print("flask in", __import__("socket").gethostname())'
done
echo "patched: $(oc exec $FORK3 --wait -- cat /app/config)"
oc exec $FORK3 --wait -- sh -c 'curl --version | head -c 4; echo " is there"'
echo "unpatched: $(oc exec $FORK1 --wait -- sh -c 'test -e /app/config || echo nothing')"
oc exec $ID --wait -- rm -r /usr/bin/pip
oc checkpoint restore $ID $CP
oc exec $ID --wait -- pip --version
oc sandbox hibernate $FORK2
oc sandbox wake $FORK2 --timeout 600
oc checkpoint tree
for sandbox in $ID $FORK1 $FORK2 $FORK3; do oc sandbox kill $sandbox; done
oc cp list $ID
oc checkpoint delete $ID $CP
oc checkpoint list $ID
echo "forks: $FORK1 $FORK2 $FORK3 of $ID at $CP"
"""


@pytest.fixture(scope="module")
def workflow(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    ran = shell(stack, f"DIRECTORY={tmp_path_factory.mktemp('workflow')}\n{WORKFLOW}")
    assert ran.code == 0, f"{ran.out[-3000:]}\n{ran.err[-3000:]}"
    return ran


def test_documented_workflow_runs_as_written(workflow: Ran) -> None:
    *_, forks = workflow.out.splitlines()
    _, *ids, _, original, _, checkpoint = forks.split()
    expected = [
        *(f"flask in {id}" for id in ids),
        "patched: key=value",
        "curl is there",
        "unpatched: nothing",
        f"Sandbox {ids[1]} hibernated.",
        f"Sandbox {ids[1]} woke up (status: running)",
        *(f"Sandbox {id} killed." for id in [original, *ids]),
        f"Checkpoint {checkpoint} deleted.",
        "No checkpoints found.",
    ]
    lines = workflow.out.splitlines()
    assert [line for line in expected if line not in lines] == []


@pytest.mark.parametrize(
    "said",
    ["ID NAME STATUS SIZE CREATED", "ID SEQ DESCRIPTION STRATEGY CREATED", "(sequence: 1)", "(sequence: 2)"],
)
def test_documented_workflow_prints(workflow: Ran, said: str) -> None:
    assert said in " ".join(workflow.out.split())


def test_wait_returns_when_the_checkpoint_is_ready(line: Timeline) -> None:
    id = line.create()
    made = line.stack.oc("checkpoint", "create", id, "--name", "waited-for", "--wait", "--json")
    assert made.code == 0, made.err
    assert made.json()["status"] == "ready"
    assert line.find(id, made.json()["id"]) is not None


# --- checkpoints -----------------------------------------------------------------------------------------------------


def test_checkpoint_is_processing_and_then_ready(line: Timeline) -> None:
    id = line.create()
    assert line.call("GET", f"/{id}/checkpoints") == []
    made = line.begin_checkpoint(id, name="one")
    ready = line.settled(id, made["id"], "ready")
    assert (made["status"], made["sizeBytes"], made["kind"], made["isPublic"]) == ("processing", 0, "full", False)
    assert ready["sizeBytes"] > 0
    assert ready["rootfsS3Key"]
    assert ready["workspaceS3Key"]
    assert (ready["sandboxId"], ready["name"], ready["createdAt"]) == (id, "one", made["createdAt"])


def test_names_are_unique_and_the_newest_is_first(line: Timeline) -> None:
    id = line.create()
    line.checkpoint(id, name="one", kind="disk_only")
    line.call("POST", f"/{id}/checkpoints", 409, name="one")
    line.checkpoint(id, name="two", kind="disk_only")
    assert [entry["name"] for entry in line.call("GET", f"/{id}/checkpoints")] == ["two", "one"]
    assert line.stack.oc("checkpoint", "create", id, "--name", "two").code == 4


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x", "kind": "half"},
        {"name": "x", "kind": "full", "promoteToFull": True},
        {"name": "x", "retentionPolicy": {"mode": "newest"}},
        {"name": "x", "retentionPolicy": {"mode": "delete_oldest", "maxCount": 0}},
        {"name": "x", "retentionPolicy": {"mode": "delete_oldest", "maxCount": 11}},
        {"name": "x", "kind": "disk_only", "retentionPolicy": {"mode": "delete_oldest", "maxCount": 101}},
    ],
    ids=repr,
)
def test_checkpoint_that_is_not_one_is_refused(line: Timeline, sleeper: tuple[str, str], body: dict[str, Any]) -> None:
    line.call("POST", f"/{sleeper[0]}/checkpoints", 400, **body)
    assert line.call("GET", f"/{sleeper[0]}/checkpoints") == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/from-checkpoint/{unknown}", 404),
        ("POST", "/from-checkpoint/none", 400),
        ("POST", "/{sandbox}/checkpoints/{unknown}/restore", 404),
        ("POST", "/{sandbox}/checkpoints/none/restore", 400),
        ("DELETE", "/{sandbox}/checkpoints/{unknown}", 404),
        ("DELETE", "/{sandbox}/checkpoints/none", 400),
        ("POST", "/checkpoints/{unknown}/publish", 404),
        ("GET", "/checkpoints/{unknown}/patches", 404),
        ("GET", "/sb-00000000/checkpoints", 404),
    ],
)
def test_what_does_not_exist_is_said_so(
    line: Timeline, sleeper: tuple[str, str], method: str, path: str, status: int
) -> None:
    line.call(method, path.format(sandbox=sleeper[0], unknown=unknown()), status)


def test_limit_and_retention(line: Timeline) -> None:
    """Ten full ones; then the oldest makes way, but not one that has a patch."""
    id = line.create()
    kept = [line.begin_checkpoint(id)["id"] for _ in range(10)]
    refused = line.call("POST", f"/{id}/checkpoints", 400, name="one too many")
    assert "maximum 10 full checkpoints per sandbox" in refused["error"]
    for checkpoint in kept:
        line.settled(id, checkpoint, "ready")
    line.call("POST", f"/checkpoints/{kept[0]}/patches", 201, script="true")
    newest = line.checkpoint(id, retentionPolicy={"mode": "delete_oldest", "maxCount": 10})
    listed = [entry["id"] for entry in line.call("GET", f"/{id}/checkpoints")]
    assert listed == [newest, *kept[:1:-1], kept[0]]


@pytest.mark.parametrize("kind", ["full", "disk_only"])
def test_all_that_was_written_before_is_in_the_fork_and_nothing_after(line: Timeline, kind: str) -> None:
    """Also when the sandbox is gone; with a disk alone the fork boots."""
    id = line.create()
    line.mark(id, 1)
    checkpoint = line.begin_checkpoint(id, kind=kind)["id"]
    line.mark(id, 2)
    line.settled(id, checkpoint, "ready")
    line.stack.kill(id)
    fork = line.fork(checkpoint)
    assert line.marks(fork) == ("1", "1" if kind == "full" else "")
    assert line.sh(fork, "hostname") == f"{fork}\n"
    assert line.find(id, checkpoint) is not None


def test_fork_waits_for_a_checkpoint_that_is_still_processing(line: Timeline) -> None:
    id = line.create()
    line.mark(id, 1)
    fork = line.fork(line.begin_checkpoint(id)["id"])
    assert line.marks(fork) == ("1", "1")


def test_fork_of_a_fork_of_a_fork(line: Timeline) -> None:
    ids = [line.create()]
    for generation in range(3):
        line.mark(ids[-1], generation)
        ids.append(line.fork(line.checkpoint(ids[-1])))
        assert line.marks(ids[-1]) == (str(generation), str(generation))
    assert line.marks(ids[0]) == ("0", "0")


def test_fork_has_the_environment_and_sessions_of_the_original(line: Timeline) -> None:
    id = line.create(envs={"A": "1", "B": "2"})
    script = "echo begun; echo $A$B; touch /srv/begun; sleep 1000"
    session = line.call("POST", f"/{id}/exec", 201, cmd="sh", args=["-c", script])
    wait_for(lambda: line.stack.sh(id, "test -e /srv/begun").code == 0, "the session to begin")
    fork = line.fork(line.checkpoint(id), envs={"B": "3", "C": "4"}, metadata={"project": "demo"}, timeout=500)
    assert line.sh(fork, "echo $A$B$C") == "134\n"
    assert line.call("GET", f"/{fork}")["metadata"] == {"project": "demo"}
    (listed,) = (entry for entry in line.call("GET", f"/{fork}/exec") if entry["sessionID"] == session["sessionID"])
    assert (listed["sandboxID"], listed["running"]) == (fork, True)
    line.call("POST", f"/{fork}/exec/{session['sessionID']}/kill", signal=9)
    attached = line.stack.oc("exec", "attach", fork, session["sessionID"])
    assert (attached.out, attached.code) == ("begun\n12\n", 255)
    (original,) = (entry for entry in line.call("GET", f"/{id}/exec") if entry["sessionID"] == session["sessionID"])
    assert original["running"]


def test_forks_do_not_share_what_they_write(line: Timeline) -> None:
    id = line.create()
    line.mark(id, 0)
    forks = line.forks(line.checkpoint(id), 3)
    for number, fork in enumerate(forks, 1):
        line.mark(fork, number)
    assert [line.marks(each) for each in [id, *forks]] == [(str(number), str(number)) for number in range(4)]


def test_too_many_forks_at_once_are_refused_and_none_is_made(line: Timeline) -> None:
    checkpoint = line.checkpoint(line.create(), kind="disk_only")
    before = line.call("GET", "")
    line.call("POST", f"/from-checkpoint/{checkpoint}", {400, 429}, count=1000)
    assert [row["sandboxID"] for row in line.call("GET", "")] == [row["sandboxID"] for row in before]


def test_checkpoint_of_another_organization_is_closed_until_published(line: Timeline) -> None:
    stranger = line.stack.new_key("strangers")
    id = line.create()
    line.mark(id, 1)
    checkpoint = line.checkpoint(id)
    fork = f"/from-checkpoint/{checkpoint}"
    line.call("POST", fork, {403, 404}, key=stranger)
    line.call("POST", f"/checkpoints/{checkpoint}/publish", {403, 404}, key=stranger)
    assert line.call("POST", f"/checkpoints/{checkpoint}/publish")["isPublic"] is True
    theirs = line.call("POST", fork, 201, key=stranger)["sandboxID"]
    line.call("DELETE", f"/{theirs}", 204, key=stranger)
    line.call("POST", f"/checkpoints/{checkpoint}/patches", {403, 404}, key=stranger, script="true")
    assert line.call("POST", f"/checkpoints/{checkpoint}/unpublish")["isPublic"] is False
    line.call("POST", fork, {403, 404}, key=stranger)


def test_deleted_checkpoint_is_gone_and_its_forks_live_on(line: Timeline) -> None:
    id = line.create()
    line.mark(id, 1)
    checkpoint = line.checkpoint(id)
    fork = line.fork(checkpoint)
    line.call("DELETE", f"/{line.create()}/checkpoints/{checkpoint}", {400, 404})
    line.call("DELETE", f"/{id}/checkpoints/{checkpoint}", 204)
    line.call("DELETE", f"/{id}/checkpoints/{checkpoint}", 404)
    line.call("POST", f"/from-checkpoint/{checkpoint}", 404)
    assert line.marks(fork) == ("1", "1")
    line.hibernate(fork)
    assert line.marks(fork) == ("1", "1")


# --- in-place restore ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["full", "disk_only"])
def test_restore_puts_the_same_sandbox_back(line: Timeline, kind: str) -> None:
    """Callers that come meanwhile wait for it."""
    id = line.create(envs={"A": "1"}, timeout=1000)
    line.mark(id, 1)
    checkpoint = line.checkpoint(id, kind=kind)
    line.mark(id, 2)
    line.restore(id, checkpoint)
    assert line.status(id) == "running"
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: line.marks(id), range(4)))
    assert found == {("1", "1" if kind == "full" else "")}
    assert line.sh(id, "hostname; echo $A") == f"{id}\n1\n"
    line.restore(id, checkpoint)
    assert line.marks(id)[0] == "1"


def test_restore_to_the_checkpoint_of_another_is_refused(line: Timeline) -> None:
    one, other = line.create(), line.create()
    line.mark(one, 1)
    line.call("POST", f"/{one}/checkpoints/{line.checkpoint(other, kind='disk_only')}/restore", 400)
    assert line.marks(one) == ("1", "1")


# --- patches ---------------------------------------------------------------------------------------------------------


def patch(line: Timeline, checkpoint: str, script: str) -> dict[str, Any]:
    made = line.call("POST", f"/checkpoints/{checkpoint}/patches", 201, script=script, description="a test's")
    return dict(made["patch"])


def patch_error(line: Timeline, id: str) -> str | None:
    error: str | None = line.call("GET", f"/{id}").get("patchError")
    return error


def test_patches_run_in_order_on_forks_alone(line: Timeline) -> None:
    id = line.create()
    checkpoint = line.checkpoint(id)
    made = [patch(line, checkpoint, f"echo {letter} >> /srv/patched") for letter in "abc"]
    assert [(each["sequence"], each["strategy"], each["checkpointId"]) for each in made] == [
        (number, "on_wake", checkpoint) for number in (1, 2, 3)
    ]
    line.call("DELETE", f"/checkpoints/{checkpoint}/patches/{made[1]['id']}", 204)
    line.call("DELETE", f"/checkpoints/{checkpoint}/patches/{made[1]['id']}", 404)
    listed = line.call("GET", f"/checkpoints/{checkpoint}/patches")
    assert [each["id"] for each in listed] == [made[0]["id"], made[2]["id"]]
    fork = line.fork(checkpoint)
    assert line.sh(fork, "cat /srv/patched") == "a\nc\n"
    line.restore(id, checkpoint)
    assert line.sh(id, "cat /srv/patched || true") == ""


def test_new_patch_is_applied_on_wake_once(line: Timeline) -> None:
    checkpoint = line.checkpoint(line.create())
    patch(line, checkpoint, "echo a >> /srv/patched")
    fork = line.fork(checkpoint)
    patch(line, checkpoint, "echo b >> /srv/patched")
    assert line.sh(fork, "cat /srv/patched") == "a\n"
    for _ in range(2):
        line.hibernate(fork)
        line.wake(fork)
        wait_for(lambda: line.sh(fork, "cat /srv/patched") == "a\nb\n", "the new patch to be applied")


def test_failing_patch_leaves_a_usable_sandbox_and_is_tried_again(line: Timeline) -> None:
    checkpoint = line.checkpoint(line.create())
    patch(line, checkpoint, "echo first >> /srv/patched")
    patch(line, checkpoint, "test -e /srv/may || { echo not yet >&2; exit 3; }; echo second >> /srv/patched")
    patch(line, checkpoint, "echo third >> /srv/patched")
    fork = line.fork(checkpoint)
    error = patch_error(line, fork)
    assert error is not None
    assert error.startswith("patch seq 2 failed")
    assert line.sh(fork, "touch /srv/may; cat /srv/patched") == "first\n"
    line.hibernate(fork)
    line.wake(fork)
    wait_for(lambda: not patch_error(line, fork), "the failed patch to be applied")
    assert line.sh(fork, "cat /srv/patched") == "first\nsecond\nthird\n"


def test_empty_patch_is_refused(line: Timeline) -> None:
    checkpoint = line.checkpoint(line.create(), kind="disk_only")
    line.call("POST", f"/checkpoints/{checkpoint}/patches", 400, script="")


# --- sleep -----------------------------------------------------------------------------------------------------------


def read_file(line: Timeline, id: str, _: str) -> None:
    with line.stack.api() as api:
        assert api.get(f"/sandboxes/{id}/files", params={"path": "/etc/hostname"}).status_code == 200


def write_file(line: Timeline, id: str, _: str) -> None:
    with line.stack.api() as api:
        assert api.put(f"/sandboxes/{id}/files", params={"path": "/srv/file"}, content=b"x").status_code == 204


def attach(line: Timeline, id: str, session: str) -> None:
    assert line.stack.oc("exec", "attach", id, session).out == "kept\n"


TOUCHES: dict[str, Callable[[Timeline, str, str], object]] = {
    "wake": lambda line, id, _: line.wake(id),
    "exec run": lambda line, id, _: line.sh(id, "true"),
    "exec session": lambda line, id, _: line.call("POST", f"/{id}/exec", 201, cmd="true"),
    "timeout": lambda line, id, _: line.call("POST", f"/{id}/timeout", 204, timeout=0),
    "file read": read_file,
    "file write": write_file,
    "attach": attach,
}


@pytest.mark.parametrize("touch", TOUCHES)
def test_touch_wakes(line: Timeline, sleeper: tuple[str, str], touch: str) -> None:
    id, session = sleeper
    line.hibernate(id)
    line.hibernate(id)  # again is no change
    assert id in [row["sandboxID"] for row in line.call("GET", "") if row["status"] == "hibernated"]
    TOUCHES[touch](line, id, session)
    line.await_status(id, "running")
    assert line.marks(id) == ("1", "1")


def test_woken_twice_is_fine(line: Timeline, sleeper: tuple[str, str]) -> None:
    line.hibernate(sleeper[0])
    line.wake(sleeper[0])
    line.wake(sleeper[0])


def test_idle_timeout_hibernates_again_and_again(line: Timeline) -> None:
    id = line.create(timeout=1)
    for generation in range(2):
        line.mark(id, generation)
        line.await_status(id, "hibernated")
        assert line.marks(id) == (str(generation), str(generation))


def test_stored_sandboxes(line: Timeline) -> None:
    """Nothing of theirs is left on the host; one is killed there, one forked from and both woken by many."""
    ids = [line.create() for _ in range(3)]
    for id in ids:
        line.mark(id, 7)
    checkpoint = line.checkpoint(ids[0])
    with restarted_with(line.stack, freeze_seconds="1"):
        for id in ids:
            line.hibernate(id)
        for id in ids:
            line.await_released(id)
    killed, *others = ids
    line.stack.kill(killed)
    assert line.status(killed) == "stopped"
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(line.marks, 4 * others)) == 8 * [("7", "7")]
    assert line.marks(line.fork(checkpoint)) == ("7", "7")


def test_frozen_sandbox_is_killed(line: Timeline) -> None:
    id = line.create()
    line.hibernate(id)
    line.stack.kill(id)
    wait_for(lambda: not held(line.stack, id), "nothing of it to be left")
    line.call("POST", f"/{id}/wake", {400, 404, 410})
    line.call("POST", f"/{id}/hibernate", {400, 410})
    line.call("POST", f"/{id}/checkpoints", {400, 410}, name="late")


@pytest.mark.parametrize("verb", ["reboot", "power-cycle"])
def test_boot_again_keeps_the_disk_alone(line: Timeline, verb: str) -> None:
    id = line.create(envs={"A": "1"})
    line.mark(id, 1)
    assert line.stack.oc("sandbox", verb, id).code == 0
    assert line.marks(id) == ("1", "")
    assert line.sh(id, "hostname; echo $A") == f"{id}\n1\n"


# --- work in proportion to what changed ------------------------------------------------------------------------------


# No megabyte is like another, and each compresses well: the first checkpoint takes seconds, not a minute.
TWO_GIGABYTES = """python3 -c '
import os
with open("/srv/large", "wb") as file:
    for _ in range(2048):
        file.write(16 * os.urandom(1 << 16))
'"""


def test_second_checkpoint_of_two_gigabytes_stores_what_changed(line: Timeline) -> None:
    id = line.create()
    assert line.stack.sh(id, TWO_GIGABYTES, timeout=300).code == 0
    first = stored_by(line, id)
    line.sh(id, "head -c 4M /dev/urandom > /srv/little")
    second = stored_by(line, id)
    assert first["plain_bytes"] > 2000 * MB
    assert 4 * MB <= second["stored_bytes"] < 32 * MB


def stored_by(line: Timeline, id: str) -> dict[str, Any]:
    former = set(artifacts(line.stack))
    line.checkpoint(id, kind="disk_only")
    (made,) = (artifact for name, artifact in artifacts(line.stack).items() if name not in former)
    return made


def test_sandbox_answers_while_its_checkpoint_is_stored(line: Timeline) -> None:
    """Commands wait for the pause alone and none is lost."""
    id = line.create()
    done = threading.Event()

    def count() -> int:
        number = 0
        while not done.is_set():
            number += 1
            line.sh(id, f"echo {number} >> /srv/commands")
        return number

    with ThreadPoolExecutor(1) as pool:
        counted = pool.submit(count)
        try:
            line.checkpoint(id)
        finally:
            done.set()
    assert line.sh(id, "cat /srv/commands").split() == [str(number + 1) for number in range(counted.result())]
