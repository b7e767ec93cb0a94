"""One sandbox and its queue of deeds: whatever is asked at whatever time, the answers are clean and nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from oc.model.errors import Conflict, Failed, Gone, NotFound, Unavailable
from oc.model.sandbox import Checkpoint, Observed
from oc.runtime.driver import Death
from oc.wire.messages import TOKEN_BYTES
from oc.worker import starting
from oc.worker.actor import Actor
from oc.worker.agent.link import Link
from oc.worker.journal import Step
from oc.worker.sandbox import Sandbox
from tests.unit.worker.memory import ID, SPEC, Host, parts

NOWHERE = "11111111-1111-4111-8111-111111111111"

RUNNING = Observed(ID, "running")
MAKING = ["create", "mount", "attach", "start", "connect", "configure"]
REMOVING = ["remove", "detach", "unmount", "delete"]


class Stage:
    """An actor on a host in memory."""

    def __init__(self, directory: Path) -> None:
        self.host = Host()
        self.parts = parts(self.host, directory)
        self.gone: list[Actor] = []
        self.actor = Actor(Sandbox(ID, self.parts), self.gone.append)

    def recorded(self) -> Step | None:
        record = self.parts.journal.open().get(ID)
        return None if record is None else record.step

    def begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return asyncio.create_task(work)

    def restarted(self) -> Actor:
        """Of a new process that finds what this one left."""
        self.host.calls.clear()
        return Actor(Sandbox(ID, self.parts, self.parts.journal.open().get(ID)), self.gone.append)


Play = Callable[[Callable[[Stage], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    def run(work: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            async with asyncio.timeout(60):
                await work(Stage(tmp_path))

        asyncio.run(whole())

    return run


def test_ensure_makes_in_order_and_remove_unmakes(play: Play) -> None:
    async def work(stage: Stage) -> None:
        assert await stage.actor.ensure(SPEC) == RUNNING
        assert stage.host.calls == MAKING
        assert stage.recorded() is Step.RUNNING
        stage.host.calls.clear()
        await stage.actor.remove()
        assert stage.host.calls == REMOVING
        assert (stage.host.left(), stage.recorded(), stage.gone) == (set(), None, [stage.actor])
        assert stage.host.links[0].closed.is_set()

    play(work)


def test_ensure_again_changes_nothing_and_another_spec_is_a_conflict(play: Play) -> None:
    async def work(stage: Stage) -> None:
        await stage.actor.ensure(SPEC)
        assert await stage.actor.ensure(SPEC) == RUNNING
        with pytest.raises(Conflict):
            await stage.actor.ensure(msgspec.structs.replace(SPEC, envs={"A": "1"}))
        assert stage.host.calls == MAKING

    play(work)


def test_ensures_at_once_share_one_create_and_its_failure(play: Play) -> None:
    async def work(stage: Stage) -> None:
        stage.host.hold("start")
        stage.host.errors["start"] = [Failed("no such luck")]
        both = [stage.begin(stage.actor.ensure(SPEC)) for _ in range(2)]
        await stage.host.reached["start"].wait()
        stage.host.gates["start"].set()
        told = await asyncio.gather(*both, return_exceptions=True)
        assert [str(error) for error in told] == ["no such luck"] * 2
        assert stage.host.calls.count("start") == 1

    play(work)


@pytest.mark.parametrize("step", MAKING)
def test_a_create_that_fails_anywhere_leaves_nothing_and_says_why(play: Play, step: str) -> None:
    async def work(stage: Stage) -> None:
        stage.host.errors[step] = [OSError(28, "No space left on device")]
        with pytest.raises(Failed, match=r"sb-00000001 cannot be created: .*No space left"):
            await stage.actor.ensure(SPEC)
        assert (stage.host.left(), stage.recorded(), stage.gone) == (set(), None, [stage.actor])

    play(work)


@pytest.mark.parametrize("step", MAKING)
def test_remove_ends_a_create_under_way(play: Play, step: str) -> None:
    async def work(stage: Stage) -> None:
        stage.host.hold(step)
        creating = stage.begin(stage.actor.ensure(SPEC))
        await stage.host.reached[step].wait()
        await stage.actor.remove()
        with pytest.raises(Conflict, match="removed while it was being created"):
            await creating
        assert (stage.host.left(), stage.recorded()) == (set(), None)

    play(work)


def test_create_goes_on_when_its_caller_leaves(play: Play) -> None:
    async def work(stage: Stage) -> None:
        stage.host.hold("start")
        caller = stage.begin(stage.actor.ensure(SPEC))
        await stage.host.reached["start"].wait()
        caller.cancel()
        stage.host.gates["start"].set()
        assert await stage.actor.ensure(SPEC) == RUNNING
        assert stage.host.calls == MAKING

    play(work)


def test_an_agent_that_never_comes_is_not_waited_for_when_the_sandbox_died(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "ALIVE_EVERY_S", 0.001)

    async def work(stage: Stage) -> None:
        stage.host.hold("connect")
        stage.host.dead[ID] = Death("it was killed for memory")
        with pytest.raises(Failed, match="it was killed for memory"):
            await stage.actor.ensure(SPEC)
        assert stage.host.left() == set()

    play(work)


def test_a_removal_that_fails_is_tried_again_by_the_watch(play: Play) -> None:
    async def work(stage: Stage) -> None:
        await stage.actor.ensure(SPEC)
        stage.host.errors["unmount"] = [OSError(16, "Device or resource busy")]
        with pytest.raises(OSError, match="busy"):
            await stage.actor.remove()
        assert stage.recorded() is Step.REMOVING
        with pytest.raises(Gone):
            await stage.actor.link()
        await stage.actor.check()
        assert (stage.host.left(), stage.recorded()) == (set(), None)

    play(work)


def test_a_sandbox_that_died_is_lost_with_its_reason_until_it_is_removed(play: Play) -> None:
    async def work(stage: Stage) -> None:
        await stage.actor.ensure(SPEC)
        stage.host.links[0].kill_for_memory()
        stage.host.dead[ID] = Death("killed for memory")
        await stage.actor.check()
        assert stage.actor.sandbox.observed() == Observed(ID, "lost", "killed for memory", 1)
        assert (stage.host.disks, stage.host.mounts | stage.host.networks | stage.host.running) == ({ID}, set())
        with pytest.raises(Gone, match="killed for memory"):
            await stage.actor.link()
        with pytest.raises(Gone, match="killed for memory"):
            await stage.actor.ensure(SPEC)
        await stage.actor.remove()
        assert (stage.host.left(), stage.recorded()) == (set(), None)

    play(work)


def test_a_lost_link_is_replaced_and_what_it_missed_is_counted(play: Play) -> None:
    async def work(stage: Stage) -> None:
        await stage.actor.ensure(SPEC)
        first = await stage.actor.link()
        assert await stage.actor.link() is first
        stage.host.links[0].closed.set()
        stage.host.memory_kills = 4
        assert await stage.actor.link() is not first
        assert stage.actor.sandbox.observed().memory_kills == 4

    play(work)


def test_a_link_into_a_dead_sandbox_tells_of_its_death(play: Play) -> None:
    async def work(stage: Stage) -> None:
        await stage.actor.ensure(SPEC)
        stage.host.links[0].closed.set()
        stage.host.errors["connect"] = [Unavailable("connection refused")]
        stage.host.dead[ID] = Death("killed from outside")
        with pytest.raises(Gone, match="killed from outside"):
            await stage.actor.link()

    play(work)


def test_a_link_is_waited_for_while_the_sandbox_is_made(play: Play) -> None:
    async def work(stage: Stage) -> None:
        stage.host.hold("attach")
        creating = stage.begin(stage.actor.ensure(SPEC))
        await stage.host.reached["attach"].wait()
        linking = stage.begin(stage.actor.link())
        stage.host.gates["attach"].set()
        assert await linking is cast(Link, stage.host.links[0])
        await creating
        await stage.actor.remove()
        with pytest.raises(NotFound):
            await stage.actor.link()

    play(work)


def test_environment_of_the_image_is_under_that_of_the_spec(play: Play) -> None:
    async def work(stage: Stage) -> None:
        await stage.actor.ensure(msgspec.structs.replace(SPEC, envs={"BOTH": "spec", "OWN": "spec"}))
        (configure,) = stage.host.links[0].configured
        assert set(configure.env) == {"BASE=image", "BOTH=spec", "OWN=spec"}
        assert (configure.hostname, len(configure.token)) == (ID, TOKEN_BYTES)
        assert len(configure.entropy) >= 32

    play(work)


def test_an_artifact_that_is_nowhere_makes_nothing(play: Play) -> None:
    async def work(stage: Stage) -> None:
        with pytest.raises(NotFound):
            await stage.actor.ensure(msgspec.structs.replace(SPEC, origin=Checkpoint(NOWHERE)))
        assert (stage.host.calls, stage.recorded(), stage.gone) == ([], None, [stage.actor])

    play(work)


def test_what_runs_is_adopted_and_left_alone(play: Play) -> None:
    async def work(stage: Stage) -> None:
        await stage.actor.ensure(SPEC)
        await stage.actor.close()
        stage.host.memory_kills = 2
        actor = stage.restarted()
        await actor.adopt()
        assert actor.sandbox.observed() == Observed(ID, "running", memory_kills=2)
        assert stage.host.calls == ["resize 1 64", "connect", "limit 64"]
        assert stage.recorded() is Step.RUNNING

    play(work)


def test_what_died_meanwhile_is_lost_and_stays_so(play: Play) -> None:
    async def work(stage: Stage) -> None:
        await stage.actor.ensure(SPEC)
        stage.host.running.clear()
        for _ in range(2):
            actor = stage.restarted()
            await actor.adopt()
            assert actor.sandbox.observed() == Observed(ID, "lost", "it is not there")
            assert stage.host.left() == stage.host.disks == {ID}

    play(work)


def test_an_agent_that_is_slow_does_not_cost_an_adopted_sandbox_its_life(play: Play) -> None:
    async def work(stage: Stage) -> None:
        await stage.actor.ensure(SPEC)
        actor = stage.restarted()
        stage.host.errors["connect"] = [Unavailable("no answer")]
        await actor.adopt()
        assert actor.sandbox.observed() == RUNNING
        assert await actor.link() is cast(Link, stage.host.links[-1])

    play(work)


def test_closing_undoes_a_create_under_way_and_tells_its_caller(play: Play) -> None:
    async def work(stage: Stage) -> None:
        stage.host.hold("start")
        creating = stage.begin(stage.actor.ensure(SPEC))
        await stage.host.reached["start"].wait()
        await stage.actor.close()
        with pytest.raises(Unavailable, match="stopping"):
            await creating
        assert (stage.host.left(), stage.recorded()) == (set(), None)

    play(work)
