"""Accounts, sandboxes, idempotency and events, over a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import product
from pathlib import Path

import msgspec
import pytest

from oc.model.errors import TooMany
from oc.model.sandbox import TRANSITIONS, Checkpoint, Size, Status
from oc.store import idempotency
from oc.store.sandboxes import Sandbox, Wish
from oc.store.store import Store

WISH = Wish("base", Size(0.5, 256, 1024), {"A": "ä"}, {"project": "x"}, 60)


def run(path: Path, test: Callable[[Store, str], Awaitable[None]]) -> None:
    async def work() -> None:
        store = await Store.open(path / "db")
        try:
            await test(store, (await store.accounts.ensure_organization("tests")).id)
        finally:
            await store.close()

    asyncio.run(work())


def test_key_is_found_by_itself_only_and_is_nowhere_in_the_files(tmp_path: Path) -> None:
    async def test(store: Store, org: str) -> None:
        id, key = await store.accounts.create_key(org, "laptop")
        caller = await store.accounts.caller(key)
        assert caller is not None
        assert (caller.key_id, caller.org_id, caller.org_name) == (id, org, "tests")
        assert await store.accounts.caller("osb_" + "0" * 64) is None
        assert [(row.prefix, row.name) for row in await store.accounts.keys()] == [(key[:8], "laptop")]
        assert all(key.encode() not in path.read_bytes() for path in tmp_path.iterdir())

    run(tmp_path, test)


def test_revoked_key_is_nobodys(tmp_path: Path) -> None:
    async def test(store: Store, org: str) -> None:
        id, key = await store.accounts.create_key(org, "old")
        assert await store.accounts.revoke_key(id)
        assert not await store.accounts.revoke_key(id)
        assert await store.accounts.caller(key) is None

    run(tmp_path, test)


def test_sandbox_comes_back_as_it_was_wished(tmp_path: Path) -> None:
    async def test(store: Store, org: str) -> None:
        fork = msgspec.structs.replace(WISH, origin=Checkpoint("c", memory=False), from_checkpoint="c")
        for wish, made in zip((WISH, fork), await store.sandboxes.add(org, [WISH, fork], 10), strict=True):
            assert made.status is Status.PENDING
            assert made.wish == wish
            assert await store.sandboxes.get(made.id) == made

    run(tmp_path, test)


def test_requests_at_once_do_not_pass_the_limit_together(tmp_path: Path) -> None:
    async def test(store: Store, org: str) -> None:
        tries = [store.sandboxes.add(org, [WISH], 3) for _ in range(8)]
        ends = await asyncio.gather(*tries, return_exceptions=True)
        refused = [end for end in ends if isinstance(end, TooMany)]
        assert len(refused) == 5
        assert refused[0].body()["active"] == refused[0].body()["limit"] == 3
        ((made,), *_) = [end for end in ends if isinstance(end, list)]
        await store.sandboxes.end(made.id, Status.STOPPED, "killed")
        with pytest.raises(TooMany):
            await store.sandboxes.add(org, [WISH, WISH], 3)
        assert await store.sandboxes.count_by_status() == {"pending": 2, "stopped": 1}
        await store.sandboxes.add(org, [WISH], 3)

    run(tmp_path, test)


async def added(store: Store, org: str) -> Sandbox:
    return (await store.sandboxes.add(org, [WISH], 100))[0]


async def move(store: Store, id: str, target: Status) -> Sandbox | None:
    if target is Status.RUNNING:
        return await store.sandboxes.start(id)
    if target is Status.HIBERNATED:
        return await store.hibernations.begin(id)
    return await store.sandboxes.end(id, target, "because")


ROADS: dict[Status, tuple[Status, ...]] = {
    Status.PENDING: (),
    Status.RUNNING: (Status.RUNNING,),
    Status.HIBERNATED: (Status.RUNNING, Status.HIBERNATED),
    Status.ERROR: (Status.ERROR,),
    Status.STOPPED: (Status.STOPPED,),
}
TARGETS = (Status.RUNNING, Status.HIBERNATED, Status.ERROR, Status.STOPPED)


def test_states_change_as_the_table_says_and_not_otherwise(tmp_path: Path) -> None:
    async def test(store: Store, org: str) -> None:
        for source, target in product(ROADS, TARGETS):
            id = (await added(store, org)).id
            for step in ROADS[source]:
                await move(store, id, step)
            before = await store.sandboxes.get(id)
            moved = await move(store, id, target)
            assert (moved is not None) == (target in TRANSITIONS[source]), (source, target)
            assert await store.sandboxes.get(id) == (moved or before)

    run(tmp_path, test)


def test_what_happened_is_told_in_order(tmp_path: Path) -> None:
    async def test(store: Store, org: str) -> None:
        id = (await added(store, org)).id
        await store.sandboxes.start(id)
        await store.hibernations.begin(id)
        await store.hibernations.wake(id)
        await store.sandboxes.end(id, Status.ERROR, "out of memory")
        told = [(event.type, event.reason) for event in await store.events.of(id)]
        assert told == [
            ("sandbox.created", None),
            ("sandbox.started", None),
            ("sandbox.hibernated", None),
            ("sandbox.resumed", None),
            ("sandbox.failed", "out of memory"),
        ]

    run(tmp_path, test)


def test_claim_is_the_first_requests_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(store: Store, org: str) -> None:
        claims = store.idempotency
        assert (await claims.claim(org, "k", "hash")).answer is None
        one, two = await store.sandboxes.add(org, [WISH, WISH], 10, "k")
        subject = f"{one.id} {two.id}"
        assert (await claims.claim(org, "k", "other")).subject == subject
        await claims.keep(org, "k", "answer")
        assert await claims.claim(org, "k", "other") == idempotency.Claim("hash", subject, "answer")
        monkeypatch.setattr(idempotency, "KEPT_S", -1)
        assert await claims.claim(org, "k", "other") == idempotency.Claim("other", None, None)

    run(tmp_path, test)


def test_use_is_recorded(tmp_path: Path) -> None:
    async def test(store: Store, org: str) -> None:
        id, _ = await store.accounts.create_key(org, "x")
        made = await added(store, org)
        await store.accounts.record_use({id: 5})
        await store.sandboxes.record_activity({made.id: 7, "sb-0000gone": 8})
        assert [key.last_used_at for key in await store.accounts.keys()] == [5]
        row = await store.sandboxes.get(made.id)
        assert row is not None
        assert row.last_active_at == 7

    run(tmp_path, test)
