"""A sandbox gets another size while it runs: all of it, or nothing of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from oc.model.errors import BelowUse, Conflict, Failed, NotSupported, Unavailable
from oc.model.sandbox import Observed, Size
from oc.worker.actor import Actor
from oc.worker.agent.failure import AgentFailed
from oc.worker.sandbox import Sandbox
from oc.worker.scale_requests import Outcome, ScaleRequests
from tests.unit.worker.memory import ID, SPEC, Host, parts

LARGER = msgspec.structs.replace(SPEC, size=Size(cpus=2.0, memory_mb=128, disk_mb=64))


class Stage:
    def __init__(self, directory: Path) -> None:
        self.host = Host()
        self.parts = parts(self.host, directory)
        self.actor = Actor(Sandbox(ID, self.parts), lambda _: None)

    def recorded(self) -> Size:
        return self.parts.journal.open()[ID].spec.size

    async def started(self) -> Actor:
        await self.actor.ensure(SPEC)
        self.host.calls.clear()
        return self.actor


def test_the_runtime_and_the_agent_are_told_and_it_is_recorded(tmp_path: Path) -> None:
    async def work() -> None:
        stage = Stage(tmp_path)
        actor = await stage.started()
        for _ in range(2):
            assert await actor.resize(2.0, 128) == Observed(ID, "running")
        assert stage.host.calls == ["resize 2 128", "limit 128"] * 2
        assert stage.recorded() == LARGER.size
        assert await actor.ensure(LARGER) == Observed(ID, "running")
        with pytest.raises(Conflict):
            await actor.ensure(SPEC)

    asyncio.run(work())


@pytest.mark.parametrize(
    ("call", "error", "raised"),
    [
        ("resize 2 128", NotSupported("no more CPUs"), NotSupported),
        ("limit 128", AgentFailed(22, "no"), Failed),
        ("limit 128", Unavailable("the connection was lost"), Unavailable),
    ],
)
def test_what_fails_half_way_is_undone(tmp_path: Path, call: str, error: Exception, raised: type[Exception]) -> None:
    async def work() -> None:
        stage = Stage(tmp_path)
        actor = await stage.started()
        stage.host.errors[call] = [error]
        with pytest.raises(raised):
            await actor.resize(2.0, 128)
        assert stage.host.calls[-1] in {"resize 1 64", "resize 2 128"}
        assert ("resize 1 64" in stage.host.calls) == (call != "resize 2 128")
        assert stage.recorded() == SPEC.size

    asyncio.run(work())


def test_nothing_shrinks_below_what_it_uses(tmp_path: Path) -> None:
    async def work() -> None:
        stage = Stage(tmp_path)
        actor = await stage.started()
        stage.host.memory_bytes = 30 << 20
        with pytest.raises(BelowUse, match="uses 30 MB") as raised:
            await actor.resize(1.0, 32)
        assert raised.value.body() == {
            "error": f"memory limit below guest working set: sandbox {ID} uses 30 MB",
            "code": "oom_floor",
            "details": "asked for 32 MB, uses 30 MB, needs 33 MB",
            "hint": "it can have 33 MB or more now",
        }
        assert stage.host.calls == []
        await actor.resize(1.0, 33)
        stage.host.memory_bytes = 60 << 20
        await actor.resize(2.0, 33)  # as it is: nobody asks for less
        assert stage.recorded() == Size(2.0, 33, 64)

    asyncio.run(work())


def test_one_that_sleeps_is_not_scaled(tmp_path: Path) -> None:
    async def work() -> None:
        stage = Stage(tmp_path)
        actor = await stage.started()
        await actor.freeze()
        with pytest.raises(Unavailable, match="hibernated"):
            await actor.resize(2.0, 128)
        assert stage.recorded() == SPEC.size

    asyncio.run(work())


def test_a_request_from_inside_waits_for_its_answer_and_no_other_of_its_sandbox_beside_it() -> None:
    async def work() -> None:
        requests = ScaleRequests()
        asking = asyncio.create_task(requests.ask(ID, 512, None))
        other = asyncio.create_task(requests.ask("sb-00000002", 256, 0.5))
        await asyncio.sleep(0)
        one, two = requests.waiting()
        assert (one.sandbox, one.memory_mb, two.sandbox, two.cpu_count) == (ID, 512, "sb-00000002", 0.5)
        with pytest.raises(Conflict):
            await requests.ask(ID, 1024, None)
        answer = Outcome(200, {"ok": True})
        for id in ("unknown", one.id, one.id):
            requests.settle(id, answer)
        assert await asking == answer
        assert requests.waiting() == [two]
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        assert requests.waiting() == []

    asyncio.run(work())


def test_a_request_from_inside_that_nobody_answers_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        requests = ScaleRequests()
        with pytest.raises(Unavailable):
            await requests.ask(ID, 512, None)
        assert requests.waiting() == []

    monkeypatch.setattr("oc.worker.scale_requests.ANSWER_S", 0.01)
    asyncio.run(work())
