"""Many at once: execs, sandboxes, and operations that race on one id."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.system.leaks import holdings
from tests.system.stack import Stack

FINE = {200, 201, 204, 404, 409, 410, 503}


def left_of(stack: Stack, ids: list[str]) -> set[str]:
    return {name for names in holdings(stack).values() for name in names if any(id in name for id in ids)}


def test_twenty_execs_at_once(stack: Stack, sandbox: str) -> None:
    with ThreadPoolExecutor(20) as pool:
        ran = list(pool.map(lambda number: stack.sh(sandbox, f"echo {number}; exit {number}", 120), range(20)))
    assert [(each.out, each.code) for each in ran] == [(f"{number}\n", number) for number in range(20)]


def test_fifty_sandboxes_at_once(stack: Stack) -> None:
    with ThreadPoolExecutor(50) as pool:
        ids = list(pool.map(lambda _: stack.create(memoryMB=256, cpuCount=1), range(50)))
        assert len(set(ids)) == 50
        names = list(pool.map(lambda id: stack.sh(id, "hostname", 120).out.strip(), ids))
        assert names == ids
        list(pool.map(stack.kill, ids))
    assert not left_of(stack, ids)


@pytest.mark.parametrize("round", range(3))
def test_create_kill_and_exec_race_to_clean_answers(stack: Stack, round: int) -> None:
    id = stack.create(memoryMB=256)
    with stack.api() as api, ThreadPoolExecutor(12) as pool:

        def race(number: int) -> httpx.Response:
            if number % 3 == round:
                return api.delete(f"/sandboxes/{id}")
            return api.post(f"/sandboxes/{id}/exec/run", json={"cmd": "true"})

        answers = list(pool.map(race, range(12)))
        assert {answer.status_code for answer in answers} <= FINE, [answer.text for answer in answers]
        assert api.get(f"/sandboxes/{id}").json()["status"] == "stopped"
    assert not left_of(stack, [id])
