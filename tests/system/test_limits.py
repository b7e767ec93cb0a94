"""A sandbox that runs out of something: it is told, and so is its owner; the others and the host go on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.stack import Stack, wait_for

HOG = "python3 -c 'b = []\nwhile True: b.append(bytearray(b\"x\" * 8_000_000))'"


@pytest.fixture(scope="module")
def small(stack: Stack) -> Iterator[str]:
    id = stack.create(memoryMB=512, cpuCount=1)
    yield id
    stack.kill(id)


def test_memory_hog_is_killed_and_the_sandbox_lives_on(stack: Stack, small: str) -> None:
    stack.sh(small, "nohup sleep 1000 >/dev/null 2>&1 &")
    ran = stack.sh(small, HOG, timeout=120)
    assert ran.code in {-1, 137}
    assert "memory" in ran.err
    assert "sleep" in stack.sh(small, "ps ax").out
    with stack.api() as api:
        state = wait_for(lambda: (row := api.get(f"/sandboxes/{small}").json())["memoryKills"] and row, "the report")
    assert (state["status"], state["memoryKills"]) == ("running", 1)


def test_memory_limit_is_what_was_asked_for(stack: Stack, small: str) -> None:
    total_kb = int(stack.sh(small, "grep MemTotal /proc/meminfo").out.split()[1])
    assert 400 * 1024 <= total_kb <= 640 * 1024


def test_full_disk_is_an_error_inside_and_nothing_more(stack: Stack, small: str) -> None:
    ran = stack.sh(small, "dd if=/dev/zero of=/big bs=1M count=8000; echo; df -m / | tail -1", timeout=300)
    assert "No space left on device" in ran.err
    assert stack.sh(small, "rm /big && echo well").out == "well\n"


def test_fork_bomb_ends_and_others_answer(stack: Stack, sandbox: str) -> None:
    id = stack.create(memoryMB=512)
    with stack.api() as api:
        bomb = {"cmd": "bash", "args": ["-c", "f() { f | f & }; f; sleep 20"], "timeout": 30}
        api.post(f"/sandboxes/{id}/exec", json=bomb)
        assert stack.sh(sandbox, "echo others").out == "others\n"

        def ended() -> bool:
            """Either the guard ended it, or the sandbox died of it and says so."""
            state = api.get(f"/sandboxes/{id}").json()
            if state["status"] == "error":
                return bool(state["reason"])
            answer = api.post(
                f"/sandboxes/{id}/exec/run", json={"cmd": "echo", "args": ["calm"], "timeout": 20}, timeout=60
            )
            return answer.status_code == 200 and answer.json()["stdout"] == "calm\n"

        wait_for(ended, "the fork bomb to end", 120)
    stack.kill(id)


def test_output_that_nobody_reads_is_bounded(stack: Stack, small: str) -> None:
    """The writer is not held: it has no reader. What is kept is the newest megabyte."""
    with stack.api() as api:
        script = "head -c 300000000 /dev/zero | tr '\\0' x; echo; echo the end"
        session = api.post(f"/sandboxes/{small}/exec", json={"cmd": "sh", "args": ["-c", script]}).json()["sessionID"]

        def exited() -> bool:
            rows = api.get(f"/sandboxes/{small}/exec").json()
            return not next(row for row in rows if row["sessionID"] == session)["running"]

        wait_for(exited, "the writer to end", 120)
        result = api.get(f"/sandboxes/{small}/exec/{session}/result").json()
    assert result["truncated"] is True
    assert len(result["stdout"]) <= 1 << 20
    assert result["stdout"].endswith("the end\n")


def test_killed_from_outside_is_an_error_with_its_reason(stack: Stack) -> None:
    id = stack.create()
    before = set(stack.runtime_pids(id))
    assert before
    stack.kill_runtime(id)
    with stack.api() as api:
        state = wait_for(
            lambda: (row := api.get(f"/sandboxes/{id}").json())["status"] == "error" and row, "status error"
        )
        assert state["reason"]
        answer = api.post(f"/sandboxes/{id}/exec/run", json={"cmd": "true"})
        assert answer.status_code == 410
        assert state["reason"] in answer.text
    stack.kill(id)
