"""What is remembered of rows is never older than what has been written."""

from __future__ import annotations

import asyncio
from pathlib import Path

from oc.model.sandbox import Size, Status
from oc.store import recent
from oc.store.previews import Wanted
from oc.store.sandboxes import Wish
from oc.store.store import Store

WISH = Wish("base", Size(0.5, 256, 1024), {}, {}, 0)
MANY = 50


def test_glance_after_a_write_sees_it_whatever_was_being_read_meanwhile(tmp_path: Path) -> None:
    async def work() -> None:
        store = await Store.open(tmp_path / "db")
        org = (await store.accounts.ensure_organization("tests")).id
        (made,) = await store.sandboxes.add(org, [WISH], 10)
        for number in range(MANY):
            reading = [asyncio.create_task(store.sandboxes.glance(made.id)) for _ in range(3)]
            await asyncio.gather(store.sandboxes.set_preview_hash(made.id, str(number)), *reading)
            seen = await store.sandboxes.glance(made.id)
            assert seen is not None
            assert seen.preview_hash == str(number)
        await store.sandboxes.end(made.id, Status.STOPPED, "killed")
        seen = await store.sandboxes.glance(made.id)
        assert seen is not None
        assert seen.status is Status.STOPPED
        await store.close()

    asyncio.run(work())


def test_name_that_was_missing_is_found_once_it_is_there(tmp_path: Path) -> None:
    async def work() -> None:
        store = await Store.open(tmp_path / "db")
        org = (await store.accounts.ensure_organization("tests")).id
        (made,) = await store.sandboxes.add(org, [WISH], 10)
        assert await store.previews.named("app.example.org") is None
        assert await store.previews.named("app.example.org") is None
        await store.previews.put(Wanted(made.id, 80, "app.example.org", {}, "http://app.example.org"))
        found = await store.previews.named("app.example.org")
        assert found is not None
        await store.close()

    asyncio.run(work())


def test_strangers_cannot_fill_the_memory(tmp_path: Path) -> None:
    async def work() -> None:
        store = await Store.open(tmp_path / "db")
        reads: list[str] = []

        async def read(key: str) -> str:
            reads.append(key)
            return key

        rows = recent.Recent(store._database, read)
        for number in range(recent.MOST + 1):
            await rows.get(str(number))
        await rows.get(str(recent.MOST))
        assert len(reads) == recent.MOST + 1
        await rows.get("0")
        assert reads[-1] == "0"
        await store.close()

    asyncio.run(work())
