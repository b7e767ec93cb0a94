"""Another size while a sandbox runs, asked for from outside and from inside; what its metadata service tells whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.stack import Ran, Stack, wait_for

# Takes so many MB and holds them until /root/enough is there.
HOLD = """nohup python3 -c "
import os, time
held = [bytearray(b'x' * (1 << 20)) for _ in range({mb})]
open('/root/held', 'w').close()
while not os.path.exists('/root/enough'): time.sleep(0.05)
" >/dev/null 2>&1 &
until [ -e /root/held ]; do kill -0 $! || exit 1; sleep 0.05; done"""
USE = "python3 -c \"x = [bytearray(b'x' * (1 << 20)) for _ in range({mb})]; print('used')\""
METADATA = "http://169.254.169.254"


@pytest.fixture
def small(stack: Stack) -> Iterator[str]:
    id = stack.create(memoryMB=256)
    yield id
    stack.kill(id)


def asked(stack: Stack, id: str, method: str, call: str, **body: Any) -> tuple[int, dict[str, Any]]:
    with stack.api() as api:
        answer = api.request(method, f"/sandboxes/{id}/{call}", json=body or None)
    return answer.status_code, answer.json()


def scaled(stack: Stack, id: str, **size: Any) -> dict[str, Any]:
    status, body = asked(stack, id, "POST", "scale", **size)
    assert status == 200, body
    return body


def inside(stack: Stack, id: str, path: str, *options: str) -> Any:
    """What the metadata service says to a program in a sandbox."""
    ran = stack.sh(id, f"curl -s --noproxy '*' --max-time 50 {' '.join(options)} {METADATA}{path}", timeout=60)
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def test_memory_grows_under_what_runs_and_is_really_there(stack: Stack, small: str) -> None:
    stack.sh(small, "nohup sleep 1000 >/dev/null 2>&1 &")
    assert "used" not in stack.sh(small, USE.format(mb=400)).out
    ran = stack.oc("sandbox", "scale", small, "1024")
    assert ran.out == f"Sandbox {small} scaled: 1024 MB, 100% CPU\n", ran.err
    assert stack.sh(small, USE.format(mb=700)).out == "used\n"
    assert "sleep 1000" in stack.sh(small, "ps ax").out
    with stack.api() as api:
        assert api.get(f"/sandboxes/{small}").json()["memoryMB"] == 1024


def test_what_is_used_is_not_taken_away(stack: Stack, small: str) -> None:
    scaled(stack, small, memoryMB=1024)
    assert stack.sh(small, HOLD.format(mb=500)).code == 0
    status, refused = asked(stack, small, "POST", "scale", memoryMB=512)
    assert (status, refused["code"]) == (409, "oom_floor")
    assert "uses" in refused["details"]
    stack.sh(small, "touch /root/enough")
    assert wait_for(lambda: asked(stack, small, "POST", "scale", memoryMB=256)[0] == 200, "its memory to be free")
    assert "used" not in stack.sh(small, USE.format(mb=400)).out
    assert stack.sh(small, "echo it lives").out == "it lives\n"


def test_where_the_new_memory_ends_a_program_ends_and_not_the_sandbox(stack: Stack, small: str) -> None:
    """Its kernel does not tell how much is used beyond what it was started with."""
    scaled(stack, small, memoryMB=1024)
    stack.sh(small, "nohup sleep 1000 >/dev/null 2>&1 &")
    assert "used" not in stack.sh(small, USE.format(mb=1300), timeout=120).out
    assert "sleep 1000" in stack.sh(small, "ps ax").out


def test_a_restored_sandbox_has_the_size_that_it_was_given_since(stack: Stack, small: str) -> None:
    checkpoint = stack.oc("--json", "checkpoint", "create", small, "--name", "small", "--wait").json()["id"]
    scaled(stack, small, memoryMB=1024, cpuCount=2)
    ran = stack.oc("checkpoint", "restore", small, checkpoint)
    assert ran.code == 0, ran.err
    assert stack.sh(small, USE.format(mb=600)).out == "used\n"
    limits = inside(stack, small, "/v1/limits")
    assert (limits["memLimit"], limits["cpuPercent"]) == (1024 << 20, 200)


def test_a_crash_of_the_worker_changes_no_size(fragile: Stack) -> None:
    id = fragile.create(memoryMB=256)
    scaled(fragile, id, memoryMB=512)
    fragile.crash("worker")
    assert fragile.sh(id, USE.format(mb=350)).out == "used\n"
    assert fragile.oc("sandbox", "hibernate", id).code == 0
    assert fragile.sh(id, USE.format(mb=350)).out == "used\n"
    fragile.kill(id)


def test_more_cpus_than_the_runtime_can_give_are_refused(stack: Stack, small: str) -> None:
    status, refused = asked(stack, small, "POST", "scale", cpuCount=4096)
    assert (status, refused["code"]) in {(400, "bad_request"), (501, "not_supported")}


def test_each_sandbox_is_told_of_itself(stack: Stack, small: str, sandbox: str) -> None:
    for id, memory_mb in ((small, 256), (sandbox, 1024)):
        status = inside(stack, id, "/v1/status")
        assert (status["sandboxId"], status["uptime"] >= 0) == (id, True)
        limits = inside(stack, id, "/v1/limits", "-H 'X-Forwarded-For: 10.220.0.2'", "-H 'Host: elsewhere'")
        assert (limits["memLimit"], limits["cpuPercent"]) == (memory_mb << 20, 100)
        assert 0 < limits["memUsage"] < limits["memLimit"]
        assert limits["pids"] >= 1
        assert min(limits["netInput"], limits["netOutput"]) > 0
        assert inside(stack, id, "/v1/metadata") == {"region": "local", "template": "base"}
    assert inside(stack, small, "/latest/meta-data/")["code"] == "not_found"


def test_the_service_has_no_other_door(stack: Stack, small: str) -> None:
    """Not at the gateway's own address, not for the host itself, and not under an address of a neighbour."""
    gateway = f"10.{220 + stack.slot}.0.1"
    for target in (f"{gateway}:3130", f"{gateway}:80", "169.254.169.254:3130"):
        assert stack.sh(small, f"curl -s --noproxy '*' --max-time 3 http://{target}/v1/status").code != 0, target
    forged = stack.sh(small, f"curl -s --noproxy '*' --max-time 3 --interface {gateway} {METADATA}/v1/status")
    assert forged.code != 0


def test_one_that_may_reach_nothing_still_reaches_it(stack: Stack) -> None:
    id = stack.create(egress={"denyAll": True})
    assert inside(stack, id, "/v1/status")["sandboxId"] == id
    stack.kill(id)


def scale_from_inside(stack: Stack, id: str, **wanted: Any) -> Any:
    """Not more often than every few seconds: it is told to wait, and waits."""

    def done() -> Any:
        body = inside(stack, id, "/v1/scale", f"-d '{json.dumps(wanted)}'")
        return None if body.get("code") == "limit_reached" else body

    return wait_for(done, "an answer")


def test_a_program_scales_its_own_sandbox_by_the_rules(stack: Stack, small: str) -> None:
    answer = scale_from_inside(stack, small, memoryMB=1024, cpuPercent=50)
    assert answer == {"ok": True, "memoryMB": 1024, "cpuPercent": 50}
    assert stack.sh(small, USE.format(mb=600)).out == "used\n"
    assert scale_from_inside(stack, small, memoryMB=64)["code"] == "bad_request"
    locked = stack.oc("sandbox", "lock", small)
    assert locked.out == f"Scaling of sandbox {small} is locked\n", locked.err
    assert scale_from_inside(stack, small, memoryMB=512)["code"] == "scaling_locked"
    refused: Ran = stack.oc("sandbox", "scale", small, "512")
    assert (refused.code, "locked" in refused.err) == (3, True)
    assert stack.oc("sandbox", "unlock", small).code == 0
    assert scaled(stack, small, memoryMB=512)["memoryMB"] == 512
