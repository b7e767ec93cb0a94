"""All sandboxes of a host in memory: found again, kept apart, watched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from oc.model.errors import Failed, NotFound, Unavailable
from oc.model.sandbox import Observed
from oc.runtime.driver import Death
from oc.worker import preparation, supervisor
from oc.worker.journal import Record, Step
from oc.worker.supervisor import Supervisor
from tests.unit.worker.memory import ID, SPEC, Host, parts

OTHER = "sb-00000002"
OTHERS = msgspec.structs.replace(SPEC, id=OTHER)

Work = Callable[[Supervisor, Host], Coroutine[Any, Any, None]]


def serve(host: Host, directory: Path, work: Work) -> None:
    async def whole() -> None:
        async with asyncio.timeout(60), Supervisor(parts(host, directory)) as made:
            while made.preparation.detail is not None:  # noqa: ASYNC110 - another task's
                await asyncio.sleep(0)
            await work(made, host)

    asyncio.run(whole())


def test_a_new_worker_keeps_what_runs_and_removes_what_is_half_made_or_unknown(tmp_path: Path) -> None:
    async def before(old: Supervisor, host: Host) -> None:
        await old.ensure(SPEC)
        for id, step in (("sb-0000000a", Step.MAKING), ("sb-0000000b", Step.REMOVING)):
            old.parts.journal.write(Record(msgspec.structs.replace(SPEC, id=id), step))
        host.disks |= {"sb-0000000a", "sb-0000000b", "sb-0000000c", "not-ours"}
        host.mounts |= {"sb-0000000d"}
        host.networks |= {"sb-0000000e"}
        host.running |= {"sb-0000000f"}

    async def after(new: Supervisor, host: Host) -> None:
        assert new.all() == [Observed(ID, "running")]
        assert host.left() == {ID, "not-ours"}

    host = Host()
    serve(host, tmp_path, before)
    serve(host, tmp_path, after)


def test_trouble_with_one_does_not_keep_the_others_from_being_adopted(tmp_path: Path) -> None:
    async def before(old: Supervisor, _: Host) -> None:
        await old.ensure(SPEC)
        old.parts.journal.write(Record(OTHERS, Step.MAKING))

    async def after(new: Supervisor, _: Host) -> None:
        assert sorted(new.all(), key=lambda seen: seen.id) == [Observed(ID, "running"), Observed(OTHER, "stopping")]

    host = Host()
    serve(host, tmp_path, before)
    host.errors["delete"] = [OSError(5, "Input/output error")]
    serve(host, tmp_path, after)


def test_the_watch_goes_on_after_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "WATCH_EVERY_S", 0.001)

    async def work(made: Supervisor, host: Host) -> None:
        await made.ensure(SPEC)
        await made.ensure(OTHERS)
        host.errors["remove"] = [RuntimeError("a bug")]
        host.dead[ID] = Death("killed")
        while made.observed(ID).state != "lost":  # noqa: ASYNC110 - the watch finds it
            await asyncio.sleep(0.001)
        host.dead[OTHER] = Death("killed too")
        while made.observed(OTHER).state != "lost":  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    serve(Host(), tmp_path, work)


def test_sandboxes_are_told_apart(tmp_path: Path) -> None:
    async def work(made: Supervisor, host: Host) -> None:
        await asyncio.gather(made.ensure(SPEC), made.ensure(OTHERS))
        await made.remove(ID)
        assert made.all() == [Observed(OTHER, "running")]
        assert host.left() == {OTHER}
        await made.remove(ID)
        with pytest.raises(NotFound):
            made.observed(ID)
        with pytest.raises(NotFound):
            await made.link(ID)

    serve(Host(), tmp_path, work)


class SlowImages:
    """Fail once, then wait to be let go."""

    def __init__(self) -> None:
        self.tries = 0
        self.go = asyncio.Event()

    async def ensure(self, progress: Callable[[str], None]) -> None:
        self.tries += 1
        if self.tries == 1:
            raise Failed("no mirror answers")
        progress("unpacking 17 of 99")
        await self.go.wait()

    def environment(self) -> Mapping[str, str]:
        return {}


def test_creates_are_told_how_far_the_base_image_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "AGAIN_S", 0.0)

    async def work() -> None:
        images = SlowImages()
        async with asyncio.timeout(60), Supervisor(replace(parts(Host(), tmp_path), images=images)) as made:
            while made.preparation.detail != "unpacking 17 of 99":  # noqa: ASYNC110 - another task's
                await asyncio.sleep(0)
            with pytest.raises(Unavailable, match="unpacking 17 of 99"):
                await made.ensure(SPEC)
            images.go.set()
            while made.preparation.detail is not None:  # noqa: ASYNC110
                await asyncio.sleep(0)
            assert await made.ensure(SPEC) == Observed(ID, "running")

    asyncio.run(work())
